"""penstock's own API, one file a subject."""
