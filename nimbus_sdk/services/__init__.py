"""Speak elsewhere: one module for each further system."""
