"""HTTP: penstock's own API, Airbyte's, and the pages."""
