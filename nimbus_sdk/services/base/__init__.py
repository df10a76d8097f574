"""What the clients of all services share."""
