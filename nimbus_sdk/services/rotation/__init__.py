"""Key rotation: create, switch, verify, revoke."""
