"""Checks of data and models before decoding."""
