"""What things cost, beside the tools that people know. ``python -m tests.benchmarks`` prints it as tables."""
