"""Tables, progress and prompts."""
