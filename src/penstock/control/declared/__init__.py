"""Configuration as code: a workspace as one document, compared with what there is, and set."""
