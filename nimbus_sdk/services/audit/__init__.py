"""The audit trail of key use."""
