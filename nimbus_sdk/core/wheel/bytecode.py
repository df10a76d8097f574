"""Whether the bytecode that Python would run for a core is that of its sources.

Python stores the bytecode of a module in ``__pycache__`` and runs it without a look at the source if time and
size of the source are those in the file. Source: PEP 3147, PEP 552.
"""

from __future__ import annotations

import marshal
import os
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source
from types import CodeType

from nimbus_sdk.storage import fs

CACHE = "__pycache__"
_HEADER_BYTES = 16
_LEVELS = (0, 1, 2)
"""Of optimization: without option, ``python -O``, ``python -OO``."""

_BYTECODE = re.compile(r"(^|/)__pycache__(/|$)|\.py[co]$")


def is_bytecode(name: str) -> bool:
    """Return whether a file of a wheel is bytecode, or would be where others are, on any system."""
    # Systems may ignore case, the form of accents, and characters that are not displayed.
    plain = unicodedata.normalize("NFKC", name).casefold()
    visible = "".join(letter for letter in plain if unicodedata.category(letter) != "Cf")
    return _BYTECODE.search(visible) is not None


def changed_bytecode(library: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the modules for which this Python would run other bytecode than that of their source."""
    for name in sorted(name for name in names if name.endswith(".py")):
        source = os.path.join(library, *name.split("/"))
        if any(_is_changed(source, level) for level in _LEVELS):
            yield name


def _is_changed(source: str, level: int) -> bool:
    try:
        with fs.open_for_reading(cache_from_source(source, optimization=level or "")) as file:
            header, stored = file.read(_HEADER_BYTES), file.read()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except fs.NoFileError:
        # Python would wait at a pipe.
        return True
    return _would_run(header, os.stat(source)) and not _is_of(source, level, stored)


def _would_run(header: bytes, source: os.stat_result) -> bool:
    """Return whether Python would run the bytecode behind such a header, and not compile the source again."""
    if len(header) < _HEADER_BYTES or header[:4] != MAGIC_NUMBER:
        return False
    kind, time, size = (int.from_bytes(header[start : start + 4], "little") for start in (4, 8, 12))
    # With the hash of the source in place of time and size, an option decides whether it is compared.
    return kind != 0 or (time, size) == (int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF)


def _is_of(source: str, level: int, stored: bytes) -> bool:
    """Return whether stored bytecode is what this Python compiles from a source."""
    try:
        with open(source, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = compile(file.read(), source, "exec", dont_inherit=True, optimize=level)
        # Not safe with hostile data; but the import of the core would read the same.
        code = marshal.loads(stored)  # noqa: S302
        return isinstance(code, CodeType) and _without_positions(code) == _without_positions(compiled)
    except (SyntaxError, ValueError, EOFError, TypeError, RecursionError):
        return False


def _without_positions(code: CodeType) -> tuple[object, ...]:
    """Return everything that runs; positions in the source depend on options of the interpreter."""
    constants = (
        _without_positions(value) if isinstance(value, CodeType) else value for value in code.co_consts
    )
    return code.replace(co_linetable=b"", co_consts=tuple(constants)), code.co_stacksize
