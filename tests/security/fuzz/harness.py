"""One reader under atheris, in a process of its own: ``python -m tests.security.fuzz.harness READER …``.

The arguments after the name are libFuzzer's: ``-max_total_time=300``, a folder for the corpus, and so on.
atheris is no dependency of the project: ``pip install atheris``.
"""

from __future__ import annotations

import logging
import sys

import atheris

with atheris.instrument_imports(include=["nimbus_sdk", "packaging", "zipfile", "email", "json", "csv"]):
    from tests.security.fuzz import readers


def main(arguments: list[str]) -> None:
    """Feed a reader until the time is over, or it raises a foreign error."""
    logging.disable(logging.CRITICAL)
    reader = readers.READERS[arguments[1]]
    atheris.Setup([arguments[0], *arguments[2:]], lambda content: readers.feed(reader, content))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
