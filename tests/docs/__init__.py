"""The documentation is kept true: its code runs, its links lead somewhere, its tables are generated."""
