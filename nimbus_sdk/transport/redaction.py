"""Masks secrets in texts from services, logs and errors; the patterns of keys are here and nowhere else."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from string import ascii_lowercase, ascii_uppercase
from typing import TypeVar

from nimbus_sdk.config.keys import find_seen

MASK = "…"
_TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
E = TypeVar("E", bound=BaseException)

_KEYS = (
    (re.compile(r"(nbci_live_|nbci_test_)[0-9A-Za-z]{5,}"), rf"\1{MASK}"),
    (re.compile(r"\b(sk_live_|sk_test_|nos_|nai_|nxs_)[0-9A-Za-z_-]{8,}"), rf"\1{MASK}"),
    (re.compile(r"(gh[pousr]_|github_pat_)[0-9A-Za-z_]{8,}"), rf"\1{MASK}"),
    (re.compile(r"(eyJ)[0-9A-Za-z_-]{4,}(?:\.[0-9A-Za-z_-]*)*"), rf"\1{MASK}"),
)
_CREDENTIALS = (
    # URLs first: what follows may take the rest of a word for a value, and the host would be gone.
    (re.compile(r"(://)[^\s/@'\"]+@"), rf"\1{MASK}@"),
    (re.compile(r"(?i)(https?://[^\s?'\"<>]+)\?[^\s'\"<>)]*"), rf"\1?{MASK}"),
    (re.compile(r"(?i)((?:bearer|basic)\s+)+[^\s'\",)\]]+"), rf"\1{MASK}"),
    (
        re.compile(
            r"(?i)((?:x-api-key|api-key|api_key|authorization|github_token)['\"]?\s*[:=,]\s*b?['\"]?)[^\s'\",)\]}]+"
        ),
        rf"\1{MASK}",
    ),
    # httpcore logs user and password of a SOCKS proxy as a pair, at the end of the record.
    (re.compile(r"(\bauth=)\(.*\)", re.DOTALL), rf"\1{MASK}"),
)
_LONG_WORD = re.compile(r"(?<![\w/.-])[0-9A-Za-z][0-9A-Za-z_.~+=-]{19,}")
_MAX_INPUT = 16 * 1024
_LOGGERS = (
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


def mask_keys(text: str) -> str:
    """Mask every key and token that is recognized by its form; masked ones stay as they are.

    Examples:
        >>> mask_keys("nbci_live_0123456789 is not installed; nbci_live_a1b2…7890 is fine")
        'nbci_live_… is not installed; nbci_live_a1b2…7890 is fine'
        >>> mask_keys("eyJhbGciOi.eyJpbnRl.c2ln and nai_0123456789, of nimbus_lda_v2")
        'eyJ… and nai_…, of nimbus_lda_v2'
    """
    for pattern, replacement in _KEYS:
        text = pattern.sub(replacement, text)
    return text


def mask_long_words(text: str) -> str:
    """Mask keys, and words of 20 characters and more with a digit in them: some keys have no known form.

    Examples:
        >>> mask_long_words("Got unexpected extra argument (0123456789abcdefghijklmn)")
        'Got unexpected extra argument (0123…klmn)'
        >>> mask_long_words("No such option: --a-name-that-is-long-and-has-no-digit (2 are meant)")
        'No such option: --a-name-that-is-long-and-has-no-digit (2 are meant)'
    """

    def mask(word: re.Match[str]) -> str:
        return f"{word[0][:4]}{MASK}{word[0][-4:]}" if any(map(str.isdigit, word[0])) else word[0]

    return _LONG_WORD.sub(mask, mask_keys(text))


def mask_values(text: str, secrets: Iterable[str]) -> str:
    """Mask these values and every key that this process has seen, wherever they occur.

    In upper or lower case, since hexadecimal digits may be either.

    Examples:
        >>> mask_values("the horse BATTERY staple", ["battery", ""])
        'the horse … staple'
    """
    for secret in filter(None, secrets):
        # Without re, which caches its patterns, and the secret in them.
        wanted, lower = secret.translate(_TO_LOWER), text.translate(_TO_LOWER)
        pieces, start = [], 0
        while (at := lower.find(wanted, start)) >= 0:
            pieces += [text[start:at], MASK]
            start = at + len(wanted)
        text = "".join([*pieces, text[start:]])
    pieces, start = [], 0
    for at, end in find_seen(text):
        if at >= start:
            pieces += [text[start:at], MASK]
        start = max(start, end)
    return "".join([*pieces, text[start:]])


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask keys, tokens, credentials in headers and URLs, and the queries of URLs.

    Args:
        text: Any text from outside, or on its way out.
        secrets: Further values to mask.

    Examples:
        >>> redact("GET https://host/file?sig=abc with nbci_test_" + "0" * 48)
        'GET https://host/file?… with nbci_test_…'
    """
    text = mask_keys(mask_values(text, secrets))
    for pattern, replacement in _CREDENTIALS:
        text = pattern.sub(replacement, text)
    return text


def sanitize(text: str, secrets: Iterable[str] = (), limit: int = 300) -> str:
    """Make a text from a server fit for a terminal: redacted, on one line, visible and not too long."""
    # Redacted last: a secret that was interrupted by invisible characters is whole only then.
    line = redact(" ".join(strip_invisible(text[:_MAX_INPUT]).split()), secrets)
    return line if len(line) <= limit else f"{line[:limit]}{MASK}"


def strip_invisible(text: str) -> str:
    """Remove invisible characters except white space.

    Examples:
        >>> strip_invisible("to\\u200bgether")
        'together'
    """
    if text.isprintable():
        return text
    return "".join(sign for sign in text if sign.isprintable() or sign.isspace())


def strip_tracebacks(error: E) -> E:
    """Remove the traceback of an error and of its causes, and return the error.

    The frames of an HTTP library contain secrets, such as the headers and the body of a request; programs
    that print the local variables of a traceback would print them.
    """
    cause: BaseException | None = error
    while cause is not None:
        cause = cause.with_traceback(None)
        cause = cause.__cause__ or cause.__context__
    return error


class RedactingFilter(logging.Filter):
    """Redacts log records before a handler gets them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the message of a record; every record passes."""
        record.msg = redact(record.getMessage())
        record.args = ()
        return True


def guard_loggers() -> None:
    """Redact the logs of the HTTP libraries, which contain whole URLs at INFO and headers at DEBUG."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(present, RedactingFilter) for present in logger.filters):
            logger.addFilter(RedactingFilter())
