"""Checks of data and models that a program can ask for before decoding."""
