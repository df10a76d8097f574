"""Input, output and options that commands share."""
