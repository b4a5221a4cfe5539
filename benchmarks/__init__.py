"""Side-by-side measurements of penstock and its peers; `python -m benchmarks` runs them."""
