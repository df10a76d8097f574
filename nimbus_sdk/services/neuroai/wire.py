"""NeuroAI's wire format: the one place that knows how a field is spelt.

The documentation's samples are missing, so the names are an assumption of this SDK: see
``docs/reference/neuroai-wire.md``. Sent in snake_case; read in snake_case and camelCase.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC
from typing import Any
from urllib.parse import quote

from nimbus_sdk.config.keys import PREFIXES
from nimbus_sdk.errors import ConfigurationError, ResponseFormatError
from nimbus_sdk.services.base.service import Service, ServiceKey
from nimbus_sdk.services.neuroai.schemas import KEEP, KeyInfo, RateLimit
from nimbus_sdk.transport.flow import Response
from nimbus_sdk.transport.parse import parse_fields

KEYS = "/v1/api-keys"
VERIFY = "/v1/auth/verify"
_ENVELOPES = ("data", "key", "api_key", "apiKey")
_SECRET_NAMES = ("key", "api_key", "apiKey", "secret", "token")
_LIST_NAMES = ("data", "keys", "api_keys", "apiKeys", "items")
_CURSOR_NAMES = ("next_cursor", "nextCursor")
_MAX_PAGES = 10_000
_PREFIX = re.compile(r"[A-Za-z]+[_-]")
_OTHER_PREFIXES = (*PREFIXES, "eyJ")


def key_path(key_id: str, action: str = "") -> str:
    """Return the path of one key, or of an action on it.

    Examples:
        >>> key_path("key_1/2", "/rotate")
        '/v1/api-keys/key_1%2F2/rotate'
    """
    if not key_id:
        raise ConfigurationError("The id of the key is empty.", hint="List the keys to see their ids.")
    return f"{KEYS}/{quote(key_id, safe='')}{action}"


def encode_fields(**fields: Any) -> dict[str, object]:
    """Return the JSON of a request that sets fields of a key; one that is KEEP is not sent."""
    return {name: _encode(name, value) for name, value in fields.items() if value is not KEEP}


def _encode(name: str, value: Any) -> object:
    if value is None:
        return None
    if name == "name" and isinstance(value, str) and not value.strip():
        raise ConfigurationError("A key needs a name.", hint="Say what it is for: 'Production CI/CD'.")
    if name == "expires_at":
        if value.tzinfo is None:
            raise ConfigurationError(
                "expires_at has no time zone.", hint="Write datetime(2027, 1, 31, tzinfo=timezone.utc)."
            )
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if name in ("permissions", "referrers"):
        if isinstance(value, str):
            raise ConfigurationError(
                "permissions and referrers are lists of texts.",
                hint="Write ['agents:read'], not 'agents:read'.",
            )
        return list(value)
    if name == "rate_limit":
        return asdict(value if isinstance(value, RateLimit) else RateLimit(value))
    return value


def is_secret(text: str, in_use: ServiceKey) -> bool:
    """Whether a text that was given as an id is a key: the one in use, one like it, or another service's.

    Examples:
        >>> in_use = ServiceKey("nai_abcdefghij")
        >>> is_secret("nai_0123456789", in_use), is_secret("key_0123456789", in_use)
        (True, False)
    """
    secret = in_use.reveal()
    prefix = _PREFIX.match(secret)
    alike = prefix is not None and text.startswith(prefix[0]) and len(text) == len(secret)
    return alike or text == secret or text.startswith(_OTHER_PREFIXES)


class Pagination:
    """The position in a list that is read page by page: start of the next page, and whether it has ended."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.ended = False
        self._seen: set[str] = set()

    def advance(self, cursor: str | None) -> None:
        """Go on to the page at this cursor; None ends the list. Raises if it was read before."""
        if cursor is None:
            self.ended = True
            return
        if cursor in self._seen or len(self._seen) >= _MAX_PAGES:
            raise ResponseFormatError(
                "The service's list of keys has a page that leads to itself, or no end."
            )
        self._seen.add(cursor)
        self.cursor = cursor


def parse_key_info(response: Response) -> KeyInfo:
    """Parse the key in a response; ``ResponseFormatError`` if there is none."""
    return parse_fields(KeyInfo, _without_secret(_key_in(response.json())))


def parse_issued_key(
    response: Response, service: Service, known: Mapping[str, str]
) -> tuple[KeyInfo, ServiceKey]:
    """Parse the key in a response, and its secret, which is returned whatever is wrong with the rest.

    ``known`` has id and name if the response does not; what else does not fit is dropped.
    ``ResponseFormatError`` if there is no secret.
    """
    secret = _find_secret(response, service)
    if secret is None:
        raise ResponseFormatError("The service's answer has no secret for the key it made.")
    return _parse_valid_fields(_key_in(response.json()), known), secret


def parse_verification(response: Response) -> tuple[bool, KeyInfo | None]:
    """Parse whether the key is valid, and the key; ``ResponseFormatError`` if the response says neither."""
    body = response.json()
    fields = _key_in(body)
    has_key = isinstance(fields, dict) and "id" in fields
    valid = body.get("valid", has_key or None) if isinstance(body, dict) else None
    if not isinstance(valid, bool):
        raise ResponseFormatError("The service's answer does not say whether the key is valid.")
    return valid, parse_fields(KeyInfo, _without_secret(fields)) if has_key else None


def parse_page(response: Response, pages: Pagination) -> tuple[KeyInfo, ...]:
    """Parse one page of a list, and advance to the next; ``ResponseFormatError`` if it is none."""
    body = response.json()
    listed = body if isinstance(body, list) else _first(body, _LIST_NAMES, list)
    if not isinstance(listed, list):
        raise ResponseFormatError("The service's answer is not a list of keys.")
    keys = tuple(parse_fields(KeyInfo, _without_secret(row)) for row in listed)
    cursor = _first(body, _CURSOR_NAMES, str)
    pages.advance(cursor if isinstance(cursor, str) and cursor else None)
    return keys


def _key_in(body: object) -> object:
    if isinstance(body, dict) and "id" not in body:
        return _first(body, _ENVELOPES, dict) or body
    return body


def _find_secret(response: Response, service: Service) -> ServiceKey | None:
    body = response.json()
    texts = (_first(part, _SECRET_NAMES, str) for part in (_key_in(body), *_parts(body)))
    keys = (service.parse_key(text) for text in texts if isinstance(text, str))
    return next((key for key in keys if isinstance(key, ServiceKey)), None)


def _parts(body: object, depth: int = 3) -> Iterator[object]:
    """Yield a body, and the objects in it that may be a key."""
    yield body
    if isinstance(body, Mapping) and depth:
        for name in _ENVELOPES:
            yield from _parts(body.get(name), depth - 1)


def _parse_valid_fields(fields: object, known: Mapping[str, str]) -> KeyInfo:
    placeholders = {"id": "?", "name": "?"}
    valid: dict[str, object] = {}
    for name, value in _without_secret(fields).items() if isinstance(fields, dict) else ():
        with suppress(ResponseFormatError, RecursionError):
            parse_fields(KeyInfo, {**placeholders, name: value})
            valid[name] = value
    info = parse_fields(KeyInfo, {**placeholders, **valid})
    return info.model_copy(update={name: known.get(name, "") for name in placeholders if name not in valid})


def _without_secret(fields: object) -> dict[str, object]:
    if not isinstance(fields, dict):
        raise ResponseFormatError("The service's answer has no key where one was expected.")
    return {name: value for name, value in fields.items() if name not in _SECRET_NAMES}


def _first(body: object, names: Iterable[str], kind: type) -> object:
    if not isinstance(body, Mapping):
        return None
    return next((body[name] for name in names if isinstance(body.get(name), kind)), None)
