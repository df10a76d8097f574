"""Carry: how steps of a conversation reach the network."""
