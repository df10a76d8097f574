"""Trials as data: features, labels, metadata, and how they become the vectors that models read."""
