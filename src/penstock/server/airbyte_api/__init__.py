"""Airbyte's HTTP interfaces, for the programs that were written for them."""
