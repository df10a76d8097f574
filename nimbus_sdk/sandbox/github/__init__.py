"""GitHub: the releases of the core, their wheels, and the storage host."""
