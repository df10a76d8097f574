"""Take secrets out of whatever is about to be shown or logged."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from string import ascii_lowercase, ascii_uppercase
from typing import TypeVar

MASK = "…"
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
E = TypeVar("E", bound=BaseException)

_PATTERNS = (
    (re.compile(r"nbci_(live|test)_[0-9A-Za-z]{8,}"), rf"nbci_\1_{MASK}"),
    (re.compile(r"(gh[pousr]_|github_pat_)[0-9A-Za-z_]{8,}"), rf"\1{MASK}"),
    (re.compile(r"eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{4,}\.[0-9A-Za-z_-]*"), MASK),
    (re.compile(r"(?i)((?:bearer|basic)\s+)+[^\s'\",)\]]+"), rf"\1{MASK}"),
    (
        re.compile(
            r"(?i)((?:x-api-key|api-key|api_key|authorization|github_token)['\"]?\s*[:=,]\s*b?['\"]?)[^\s'\",)\]}]+"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)(https?://)[^\s/@'\"]+@"), rf"\1{MASK}@"),
    (re.compile(r"(?i)(https?://[^\s?'\"<>]+)\?[^\s'\"<>)]*"), rf"\1?{MASK}"),
)
_FOREIGN_READ = 16 * 1024
_LOGGERS = (
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Text without keys, tokens, credentials in URLs, and queries.

    Args:
        text: Anything that came from outside or is about to leave.
        secrets: Values that are known to be secret, masked wherever they stand.

    Example:
        >>> scrub("GET https://host/file?sig=abc with nbci_test_" + "0" * 48)
        'GET https://host/file?… with nbci_test_…'
    """
    text = mask_values(text, secrets)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def sanitize(text: str, secrets: Iterable[str] = (), limit: int = 300) -> str:
    """Text that a server wrote, fit for a terminal: scrubbed, one line, nothing invisible in it, bounded."""
    # Scrubbed last: a secret that was broken up by what is invisible is whole again only now.
    line = redact(" ".join(strip_invisible(text[:_FOREIGN_READ]).split()), secrets)
    return line if len(line) <= limit else f"{line[:limit]}{MASK}"


def strip_tracebacks(error: E) -> E:
    """The error without the frames that it went through, and those of the errors before it.

    For errors that come out of code whose frames hold secrets, such as the request's header and body:
    programs that show the locals of a traceback would show them.
    """
    seen: BaseException | None = error
    while seen is not None:
        seen = seen.with_traceback(None)
        seen = seen.__cause__ or seen.__context__
    return error


class RedactingFilter(logging.Filter):
    """Scrubs log records before any handler sees them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's message; every record passes."""
        record.msg = redact(record.getMessage())
        record.args = ()
        return True


def guard_loggers() -> None:
    """Scrub what the HTTP libraries log: they write whole URLs at INFO and headers at DEBUG."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(present, RedactingFilter) for present in logger.filters):
            logger.addFilter(RedactingFilter())


def mask_values(text: str, secrets: Iterable[str]) -> str:
    """Text with these values masked wherever they stand, in capitals or not: hexadecimal digits are neither.

    Example:
        >>> masked("the horse BATTERY staple", ["battery", ""])
        'the horse … staple'
    """
    for secret in filter(None, secrets):
        # By hand: re keeps its patterns, and with them the secret, long after the call.
        wanted, small = secret.translate(_SMALL), text.translate(_SMALL)
        pieces, start = [], 0
        while (at := small.find(wanted, start)) >= 0:
            pieces += [text[start:at], MASK]
            start = at + len(wanted)
        text = "".join([*pieces, text[start:]])
    return text


def strip_invisible(text: str) -> str:
    """Text without what nobody sees; white space stays.

    Example:
        >>> visible("to\\u200bgether")
        'together'
    """
    if text.isprintable():
        return text
    return "".join(sign for sign in text if sign.isprintable() or sign.isspace())
