"""Keys and connections of services."""
