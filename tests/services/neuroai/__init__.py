"""NeuroAI."""
