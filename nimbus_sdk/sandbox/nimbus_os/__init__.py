"""Nimbus OS: keys of two environments, and orders."""
