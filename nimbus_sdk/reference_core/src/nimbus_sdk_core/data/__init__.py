"""Trials as features, labels and metadata, and the vectors that models read."""
