"""Settings, keys and paths: what is decided before anything is done."""
