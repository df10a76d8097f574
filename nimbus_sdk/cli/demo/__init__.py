"""The demo: install from a sandbox, then decode offline."""
