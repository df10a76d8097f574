"""The documentation is correct: its code runs, its links have targets, its tables are generated."""
