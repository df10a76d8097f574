"""Homes in which little can be taken for granted."""
