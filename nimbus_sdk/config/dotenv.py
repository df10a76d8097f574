"""The ``.env`` of a project: which one counts, and what its lines say.

The offline path reads this module, so it imports nothing heavy; python-dotenv is loaded only where a
``.env`` with a ``NIMBUS_`` line was found.
"""

from __future__ import annotations

import os

from nimbus_sdk.config.ownership import is_foreign
from nimbus_sdk.errors import ConfigurationError

_LONGEST = 64 * 1024
_PROJECT_MARKS = (".git", "pyproject.toml")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_NO_TEXT = "\ufffd"


def nearest_dotenv(directory: str | None = None) -> str | None:
    """The ``.env`` that counts for a folder, or None.

    Upwards from the folder, never past one that holds ``.git`` or ``pyproject.toml``, never the home
    folder's own, and in a parent folder only one that belongs to this user or to root.
    """
    try:
        start = folder = os.path.realpath(directory or os.getcwd())
    except OSError:
        return None
    home = os.path.realpath(os.path.expanduser("~"))
    while folder != home:
        candidate = os.path.join(folder, ".env")
        if os.path.isfile(candidate) and (folder == start or not is_foreign(os.lstat(candidate))):
            return candidate
        parent = os.path.dirname(folder)
        if parent == folder or any(os.path.exists(os.path.join(folder, mark)) for mark in _PROJECT_MARKS):
            return None
        folder = parent
    return None


def dotenv_values(path: str | None, prefix: str = "NIMBUS_") -> dict[str, str]:
    """The lines of a ``.env`` whose names have a prefix, as values; nothing goes into ``os.environ``.

    Raises:
        ConfigurationError: The file cannot be read, or one of these lines is no text.
    """
    if path is None:
        return {}
    try:
        with open(path, "rb") as file:
            content = file.read(_LONGEST + 1)
    except OSError as error:
        raise ConfigurationError(f"The file {path} cannot be read ({error.strerror}).") from None
    text = decode_text(content)
    if prefix not in text:
        return {}
    values = {} if len(content) > _LONGEST else _bindings(text, prefix)
    unreadable = sorted(name for name, value in values.items() if _NO_TEXT in value)
    if unreadable or len(content) > _LONGEST:
        # A traceback shows what a function holds, and this is where the key may be.
        del content, text, values
        fault = f"has more than {_LONGEST} bytes"
        if unreadable:
            fault = f"is no text in UTF-8 where it sets {', '.join(unreadable)}; save it as UTF-8"
        raise ConfigurationError(f"The file {path} {fault}.")
    return values


def decode_text(content: bytes) -> str:
    """The text of a file that a person wrote, with whatever editor or shell.

    PowerShell's ``>`` writes UTF-16 with a byte order mark, Windows editors UTF-8 with one. Elsewhere a
    byte that is not UTF-8 stands mostly in a comment, so it becomes U+FFFD and spoils only its own line.

    Example:
        >>> decoded("NIMBUS_SDK_PROFILE=lab".encode("utf-16"))
        'NIMBUS_SDK_PROFILE=lab'
    """
    return content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig", "replace")


def _bindings(text: str, prefix: str) -> dict[str, str]:
    import re
    from io import StringIO

    from dotenv.parser import parse_stream

    # python-dotenv takes time by the square of the longest run of blanks; and by its parser alone, it
    # writes no line to the terminal for every line that it cannot read.
    bindings = parse_stream(StringIO(re.sub(r"[^\S\r\n]{100,}", " " * 100, text)))
    pairs = [(binding.key, binding.value) for binding in bindings]
    return {name: value for name, value in pairs if name and name.startswith(prefix) and value is not None}
