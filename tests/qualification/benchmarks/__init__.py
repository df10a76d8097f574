"""Benchmarks beside the tools that people know: ``python -m tests.qualification.benchmarks``."""
