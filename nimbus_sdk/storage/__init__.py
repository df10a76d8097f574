"""Remember: what the SDK keeps on this machine."""
