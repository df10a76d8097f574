"""Usage events that wait to be reported."""
