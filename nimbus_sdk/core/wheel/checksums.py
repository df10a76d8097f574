"""Read a file of checksums as the usual tools write it, on any system.

Formats: ``sha256sum``, ``shasum``, ``cksum`` and ``openssl dgst``, in the form of GNU or BSD; ``certutil``;
PowerShell's ``Get-FileHash``, as table, list, CSV or JSON; ``gpg --print-md``; ``pip hash``; ``7z h``. The
file may be UTF-8, UTF-16 or UTF-32, with any line endings; names may have a folder, and digests capitals or
separators.
"""

from __future__ import annotations

import base64
import codecs
import re

MOST_LINE_LETTERS = 1_000
_HEX = "[0-9a-f]{64}"
_BASE64 = "[0-9a-z+/]{43}="
# openssl -c, gpg and old versions of certutil separate the digits.
_SPACED = f"(?:[0-9a-f]{{2}}[ :]?){{31}}[0-9a-f]{{2}}|{_BASE64}"
_ENTRIES = (
    rf"\\?({_HEX}|{_BASE64}) (?:\d+ )?\*?PATH",
    rf"SHA-?(?:2-)?256 ?\(PATH\) ?= ?({_SPACED})",
    rf'"?SHA256"?[ ,]"?({_HEX})"?[ ,]PATH',
    rf"PATH ?[ :=,] ?(?:sha256:)?({_SPACED})",
    # In two lines.
    rf"(?:.*[ /\\])?NAME ?:\n(?:--hash=sha256:)?({_SPACED})",
    rf'"?Hash"? ?: ?"?({_HEX})"?,?\n"?Path"? ?: ?PATH,?',
)
_PATH = r"[\"']?(?:.*[/\\])?NAME[\"']?"
# A list of PowerShell continues a long path in the next line, below the beginning of the value.
_CONTINUED = re.compile(r"(?:\r\n?|\n) {12}(?=\S)")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def find_sha256(content: bytes, name: str) -> frozenset[str]:
    """Return the SHA-256 digests that a file of checksums gives for a file name, in lower-case hexadecimal.

    More than one means that the file contradicts itself.
    """
    lines = re.split(r"[\r\n\0]+", _CONTINUED.sub("", _decode(content)))
    # The time that a pattern takes grows with the square of the line's length.
    short = (" ".join(line.split()) for line in lines if len(line) < MOST_LINE_LETTERS)
    plain = "\n".join(filter(None, short))
    digests = set()
    for entry in _ENTRIES:
        # The name alone must be spelt as it is.
        pattern = entry.replace("PATH", _PATH).replace("NAME", f"(?-i:{re.escape(name)})")
        digests.update(re.findall(f"(?im)^{pattern}$", plain))
    return frozenset(map(_hexadecimal, digests))


def _decode(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    # The first character is ASCII, and UTF-16 has a zero beside it.
    if content[1:2] == b"\0":
        return content.decode("utf-16-le", "replace")
    return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-8", "replace")


def _hexadecimal(digest: str) -> str:
    if digest.endswith("="):
        return base64.b64decode(digest).hex()
    return re.sub("[ :]", "", digest).lower()
