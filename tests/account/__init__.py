"""Sessions, quota and stored keys."""
