"""Tables, progress and prompts, for terminals and notebooks."""
