"""Handle wheels: find, download, verify, unpack and load the core."""
