"""Masks secrets in everything that the sandbox stores or returns: request log, database, listings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode

MASK = "***"
_KEY = re.compile(r"nbci_(?:live|test)_\w*")
_TOKEN = re.compile(r"gh[pousr]_\w+")
_OPAQUE = re.compile(r"(nos_(?:sandbox|production)|nai)_[0-9A-Za-z]{8,}")
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
_SECRET_HEADERS = frozenset({"x-api-key", "api-key", "cookie", "proxy-authorization"})
_SECRET_PARAMETERS = frozenset(
    {"access_token", "api-key", "api_key", "apikey", "key", "sig", "token", "x-api-key"}
)


def digest(secret: str) -> str:
    """Return the SHA-256 in hexadecimal: the only form in which a secret is stored."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def mask_key(key: str) -> str:
    """Return prefix, first four and last four characters of a well-formed key."""
    return f"{key[:14]}…{key[-4:]}" if len(key) == 58 else MASK


def mask_text(text: str) -> str:
    """Mask all keys of the four services and all GitHub tokens in a text."""
    text = text.encode("utf-8", "backslashreplace").decode()
    text = _TOKEN.sub("ghp_" + MASK, _KEY.sub(lambda match: mask_key(match.group()), text))
    return _JWT.sub("eyJ" + MASK, _OPAQUE.sub(lambda match: f"{match[1]}_{MASK}", text))


def mask_path(path: str, query: str) -> str:
    """Return path and query for the request log."""
    if not query:
        return mask_text(path)
    pairs = [
        (mask_text(name), MASK if name.lower() in _SECRET_PARAMETERS else mask_text(value))
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    return f"{mask_text(path)}?{urlencode(pairs, safe='*…')}"


def mask_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by lower-case name, with credentials masked."""
    return {name.lower(): _mask_header(name.lower(), value) for name, value in headers}


def _mask_header(name: str, value: str) -> str:
    if name == "authorization":
        scheme, blank, _ = value.partition(" ")
        return f"{scheme} {MASK}" if blank else MASK
    if name in _SECRET_HEADERS:
        return mask_key(value) if _KEY.fullmatch(value) else MASK
    return mask_text(value)
