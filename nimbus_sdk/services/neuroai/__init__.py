"""NeuroAI: the client, the life of its keys, and its wire format."""
