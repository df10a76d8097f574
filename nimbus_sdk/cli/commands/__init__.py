"""The commands of ``nimbus-sdk``."""
