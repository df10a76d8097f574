"""Decoding of live streams: channels by name, a causal filter, sliding windows, decisions."""
