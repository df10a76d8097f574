"""Text that standard output can show, so that printing a result or an error never fails.

A pipe may be ASCII, and a console of Windows cp437, neither of which has the … of a masked key.
"""

from __future__ import annotations

import codecs
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

ERROR_HANDLER = "nimbus_sdk.errors.printable"
"""Name of a codec error handler that writes ... for …, and escapes for other characters."""


_PLAIN = {"…": "...", "✓": "ok:"}


def printable(text: str, stream: object = None) -> str:
    """Return a text without characters that a stream would refuse; standard output if omitted."""
    encoding = getattr(sys.stdout if stream is None else stream, "encoding", None)
    if text.isascii() or not isinstance(encoding, str):
        return text
    try:
        return text.encode(encoding, ERROR_HANDLER).decode(encoding)
    except LookupError:
        return text


def printable_texts(cls: type[T]) -> type[T]:
    """Make what ``repr`` and ``str`` return for a class printable; for a class decorator."""
    cls.__repr__ = _printing(cls.__repr__)  # type: ignore[method-assign]
    cls.__str__ = _printing(cls.__str__)  # type: ignore[method-assign]
    return cls


def _printing(function: Callable[[object], str]) -> Callable[[object], str]:
    def text(self: object) -> str:
        return printable(function(self))

    text.__name__, text.__doc__ = function.__name__, function.__doc__
    return text


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    refused = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or ascii(sign)[1:-1] for sign in refused), error.end


codecs.register_error(ERROR_HANDLER, _replace)
