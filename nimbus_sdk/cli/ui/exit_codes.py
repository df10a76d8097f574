"""The exit codes, read from the error classes."""

from __future__ import annotations

from collections.abc import Iterator

from nimbus_sdk import errors
from nimbus_sdk.errors import NimbusError

_OTHERS = {0: "success", 1: "a failed check, a declined question, a closed output", 130: "Ctrl-C"}
_ALSO = {2: "an invalid command line"}


def list_exit_codes() -> tuple[tuple[int, str], ...]:
    """Return every exit code with what it means.

    Examples:
        >>> dict(list_exit_codes())[7]
        'RateLimitError'
    """
    meanings = {code: [words] for code, words in _OTHERS.items()}
    for kind in _error_classes(NimbusError):
        if kind.__module__ == errors.__name__:
            meanings.setdefault(kind.exit_code, []).append(kind.__name__)
    for code, words in _ALSO.items():
        meanings[code].append(words)
    return tuple((code, ", ".join(meanings[code])) for code in sorted(meanings))


def _error_classes(base: type[NimbusError]) -> Iterator[type[NimbusError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _error_classes(kind)
