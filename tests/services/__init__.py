"""The three further systems: each against its own document, the sandbox, and what goes wrong."""
