"""Settings, API keys and file paths."""
