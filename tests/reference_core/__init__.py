"""The reference core, tested from its source tree and as a wheel."""
