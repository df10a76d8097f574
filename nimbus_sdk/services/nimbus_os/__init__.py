"""Nimbus OS: the client, with a key for each environment."""
