"""Finds secrets, and parts of them, in whatever form they were written."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

MINIMUM_LENGTH = 12
"""How many characters in a row count as a match; a masked key shows four and four."""

_WORD = re.compile(rb"[0-9A-Za-z+/_=-]{%d,}" % MINIMUM_LENGTH)


class SecretSearch:
    """Searches for every part of every secret: plain, reversed, in base64 and in hexadecimal.

    Args:
        secrets: By a name for messages. What is before the last ``_`` is no secret (``nbci_test_``).
    """

    def __init__(self, secrets: dict[str, str]) -> None:
        self._parts: dict[bytes, str] = {}
        for name, secret in secrets.items():
            for form, text in _forms(secret.rpartition("_")[2].encode()):
                for start in range(len(text) - MINIMUM_LENGTH + 1):
                    self._parts[text[start : start + MINIMUM_LENGTH]] = f"{name} ({form})"

    def find_in_bytes(self, content: bytes) -> set[str]:
        """Return names and forms of the secrets in some bytes."""
        found = set()
        for word in set(_WORD.findall(content)):
            for start in range(len(word) - MINIMUM_LENGTH + 1):
                name = self._parts.get(word[start : start + MINIMUM_LENGTH])
                if name is not None:
                    found.add(name)
        return found

    def find_in_files(self, folder: Path, exempt: Iterable[str] = ()) -> list[str]:
        """Return what is found in the files below a folder, and in their names."""
        exempt_names = set(exempt)
        matches = []
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            found = self.find_in_bytes(name.encode())
            if path.is_file() and name not in exempt_names:
                found |= self.find_in_bytes(path.read_bytes())
            matches += [f"{name}: {secret}" for secret in sorted(found)]
        return matches


def _forms(secret: bytes) -> Iterator[tuple[str, bytes]]:
    for name, text in (("plain", secret), ("reversed", secret[::-1])):
        yield name, text
        yield f"{name}, upper case", text.upper()
        yield f"{name}, hexadecimal", text.hex().encode()
        for shift in range(3):
            # The letters at both ends depend on what is next to the secret.
            yield f"{name}, base64", base64.b64encode(bytes(shift) + text)[4 : -4 or None]
            yield f"{name}, base64 for URLs", base64.urlsafe_b64encode(bytes(shift) + text)[4 : -4 or None]
