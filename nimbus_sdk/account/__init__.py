"""The account of a key: its session, its quota, its stored key."""
