"""The doctor: each finding, made to happen for real."""
