"""The promises of docs/security.md that no other room tests: what a hostile world tries, and what it gets."""
