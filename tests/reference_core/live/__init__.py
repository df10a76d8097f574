"""Decoding of live streams."""
