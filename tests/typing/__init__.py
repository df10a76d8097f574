"""What type checkers must see of the public names."""
