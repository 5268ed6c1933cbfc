"""What is run by hand for an hour: see tests/soak/__main__.py."""
