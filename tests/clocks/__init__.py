"""Clocks that jump, stand wrong, or are told in odd words."""
