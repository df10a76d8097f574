"""Speak: the Nimbus BCI API."""
