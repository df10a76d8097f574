"""Find and read the ``.env`` of a project.

Every offline start imports this module, so it imports nothing heavy; python-dotenv is imported only if there
is a ``.env`` with a ``NIMBUS_`` line.
"""

from __future__ import annotations

import os

from nimbus_sdk.config.ownership import is_foreign
from nimbus_sdk.errors import ConfigurationError

_MAX_BYTES = 64 * 1024
_PROJECT_MARKS = (".git", "pyproject.toml")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_REPLACEMENT = "\ufffd"


def find_dotenv(directory: str | None = None) -> tuple[str | None, str | None]:
    """Return the path of the ``.env`` for a folder, and of the nearest one that was skipped; None for none.

    The search goes upwards from the folder. It ends at a folder with ``.git`` or ``pyproject.toml``, and it
    leaves out the home folder. A file that belongs neither to this user nor to root is skipped.
    """
    skipped = None
    try:
        folder = os.path.realpath(directory or os.getcwd())
    except OSError:
        return None, None
    home = os.path.realpath(os.path.expanduser("~"))
    while folder != home:
        candidate = os.path.join(folder, ".env")
        if os.path.isfile(candidate):
            if not is_foreign(os.lstat(candidate)) and not is_foreign(os.stat(candidate)):
                return candidate, skipped
            skipped = skipped or candidate
        parent = os.path.dirname(folder)
        if parent == folder or any(os.path.exists(os.path.join(folder, mark)) for mark in _PROJECT_MARKS):
            break
        folder = parent
    return None, skipped


def dotenv_values(path: str | None, prefix: str = "NIMBUS_") -> dict[str, str]:
    """Return the variables of a ``.env`` whose names have a prefix; ``os.environ`` is not changed.

    Raises:
        ConfigurationError: The file cannot be read, is too long, or one of these lines is not text.
    """
    if path is None:
        return {}
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"The file {path} cannot be read ({error.strerror}).") from None
    text = decode_text(content)
    if prefix not in text:
        return {}
    values = {} if len(content) > _MAX_BYTES else _bindings(text, prefix)
    unreadable = sorted(name for name, value in values.items() if _REPLACEMENT in value)
    if unreadable or len(content) > _MAX_BYTES:
        # A traceback may show local variables, and the key may be in these.
        del content, text, values
        fault = f"has more than {_MAX_BYTES} bytes"
        if unreadable:
            fault = f"is not UTF-8 where it sets {', '.join(unreadable)}; save it as UTF-8"
        raise ConfigurationError(f"The file {path} {fault}.")
    return values


def decode_text(content: bytes) -> str:
    """Decode a text file that was written with any editor or shell.

    PowerShell's ``>`` writes UTF-16 with a byte order mark, Windows editors UTF-8 with one. A byte
    that is not UTF-8 is mostly in a comment, so it becomes U+FFFD and affects only its own line.
    """
    return content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig", "replace")


def _bindings(text: str, prefix: str) -> dict[str, str]:
    import re
    from io import StringIO

    from dotenv.parser import parse_stream

    # python-dotenv takes quadratic time for runs of blanks. Its parser, called directly, prints no warning
    # for lines that it cannot read.
    bindings = parse_stream(StringIO(re.sub(r"[^\S\r\n]{100,}", " " * 100, text)))
    pairs = [(binding.key, binding.value) for binding in bindings]
    return {name: value for name, value in pairs if name and name.startswith(prefix) and value is not None}
