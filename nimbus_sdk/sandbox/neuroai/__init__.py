"""NeuroAI: the life of its keys, agents and the audit log."""
