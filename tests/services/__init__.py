"""The three further services: each against its own document, the sandbox, and what goes wrong."""
