"""Real keyring daemons, each on a session bus of its own."""
