"""Python SDK for Nimbus BCI."""
