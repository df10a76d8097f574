"""The model kinds, their training, and what they share."""
