"""The exit codes, read off the error classes."""

from __future__ import annotations

from collections.abc import Iterator

from nimbus_sdk import errors
from nimbus_sdk.errors import NimbusError

OTHERS = {0: "done", 1: "a demo that did not hold, an answer of no, a closed output", 130: "Ctrl-C"}
_ALSO = {2: "a command line that cannot be understood"}


def table() -> tuple[tuple[int, str], ...]:
    """Every exit code, and what ends with it.

    Example:
        >>> dict(table())[7]
        'RateLimitError'
    """
    meanings = {code: [words] for code, words in OTHERS.items()}
    for kind in _kinds(NimbusError):
        if kind.__module__ == errors.__name__:
            meanings.setdefault(kind.exit_code, []).append(kind.__name__)
    for code, words in _ALSO.items():
        meanings[code].append(words)
    return tuple((code, ", ".join(meanings[code])) for code in sorted(meanings))


def _kinds(base: type[NimbusError]) -> Iterator[type[NimbusError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)
