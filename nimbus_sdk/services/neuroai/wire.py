"""NeuroAI's words on the wire: the one place that knows how a field is spelt.

The documentation's samples are missing, so the names are an assumption of this SDK: see
``docs/reference/neuroai-wire.md``. Sent in snake_case; read in snake_case and camelCase.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote

from nimbus_sdk.errors import ConfigurationError, ResponseFormatError
from nimbus_sdk.services.base.service import System
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.services.neuroai.models import Keep, KeyInfo, RateLimit
from nimbus_sdk.transport.flow import Response
from nimbus_sdk.transport.parse import parse_fields

T = TypeVar("T")

KEYS = "/v1/api-keys"
VERIFY = "/v1/auth/verify"
_WITHIN = ("data", "key", "api_key", "apiKey")
_SECRET = ("key", "api_key", "apiKey", "secret", "token")
_LISTED = ("data", "keys", "api_keys", "apiKeys", "items")
_CURSOR = ("next_cursor", "nextCursor")
_MOST_PAGES = 10_000


def key_path(key_id: str, action: str = "") -> str:
    """The path of one key.

    Example:
        >>> key_path("key_1/2", "/rotate")
        '/v1/api-keys/key_1%2F2/rotate'
    """
    if not key_id:
        raise ConfigurationError("There is no key without an id.", hint="List the keys to see their ids.")
    return f"{KEYS}/{quote(key_id, safe='')}{action}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFields:
    """What may be set of a key; a field that is KEEP is not sent."""

    name: str | Keep
    description: str | Keep | None
    role: str | Keep | None
    type: str | Keep | None
    expires_at: datetime | Keep | None
    permissions: Iterable[str] | Keep | None
    referrers: Iterable[str] | Keep | None
    rate_limit: RateLimit | int | Keep | None

    def body(self) -> dict[str, object]:
        """The JSON of a request.

        Raises:
            ConfigurationError: A value cannot be sent.
        """
        told = {
            "name": _named(self.name),
            "description": self.description,
            "role": self.role,
            "type": self.type,
            "expires_at": _moment(self.expires_at),
            "permissions": _texts(self.permissions),
            "referrers": _texts(self.referrers),
            "rate_limit": _rate(self.rate_limit),
        }
        return {name: value for name, value in told.items() if not isinstance(value, Keep)}


def where_given(value: T | None) -> T | Keep:
    """A field of a new key: one that is None is left out of the request."""
    return Keep.KEEP if value is None else value


class Walk:
    """The way through a list, page by page.

    Attributes:
        cursor: Where the next page begins; None at the first one.
        ended: Whether there is no next page.

    Example:
        >>> walk = Walk()
        >>> walk.turn("page-2"), walk.turn(None), walk.ended
        (None, None, True)
    """

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.ended = False
        self._met: set[str] = set()

    def turn(self, cursor: str | None) -> None:
        """Go on to the page that begins there.

        Raises:
            ResponseFormatError: That one was there before, or there is no end to them.
        """
        if cursor is None:
            self.ended = True
            return
        if cursor in self._met or len(self._met) >= _MOST_PAGES:
            raise ResponseFormatError(
                "The service's list of keys has a page that leads to itself, or no end."
            )
        self._met.add(cursor)
        self.cursor = cursor


def key_info(answer: Response) -> KeyInfo:
    """The key that an answer tells of.

    Raises:
        ResponseFormatError: It tells of none.
    """
    return parse_fields(KeyInfo, _without_secret(_key_in(answer.json())))


def issued(answer: Response, system: System, known: Mapping[str, str]) -> tuple[KeyInfo, ServiceKey]:
    """The key that an answer tells of, and its secret. Where there is one, nothing beside it can spoil it.

    Args:
        answer: What came.
        system: How its keys are read.
        known: ``id`` and ``name``, for an answer that does not tell them; what else does not fit is left out.

    Raises:
        ResponseFormatError: There is no secret in it.
    """
    secret = _secret(answer, system)
    if secret is None:
        raise ResponseFormatError("The service's answer has no secret for the key it made.")
    return _as_far_as_it_fits(_key_in(answer.json()), known), secret


def verified(answer: Response) -> tuple[bool, KeyInfo | None]:
    """Whether the key is valid, and what is told of it.

    Raises:
        ResponseFormatError: The answer says neither.
    """
    body = answer.json()
    fields = _key_in(body)
    told = isinstance(fields, dict) and "id" in fields
    valid = body.get("valid", told or None) if isinstance(body, dict) else None
    if not isinstance(valid, bool):
        raise ResponseFormatError("The service's answer does not say whether the key is valid.")
    return valid, parse_fields(KeyInfo, _without_secret(fields)) if told else None


def page(answer: Response, walk: Walk) -> tuple[KeyInfo, ...]:
    """The keys of one page of a list; the walk goes on to the next.

    Raises:
        ResponseFormatError: It is none.
    """
    body = answer.json()
    listed = body if isinstance(body, list) else _first(body, _LISTED, list)
    if not isinstance(listed, list):
        raise ResponseFormatError("The service's answer is no list of keys.")
    keys = tuple(parse_fields(KeyInfo, _without_secret(row)) for row in listed)
    cursor = _first(body, _CURSOR, str)
    walk.turn(cursor if isinstance(cursor, str) and cursor else None)
    return keys


def _key_in(body: object) -> object:
    if isinstance(body, dict) and "id" not in body:
        return _first(body, _WITHIN, dict) or body
    return body


def _secret(answer: Response, system: System) -> ServiceKey | None:
    body = answer.json()
    texts = (_first(part, _SECRET, str) for part in (_key_in(body), *_parts(body)))
    keys = (system.read_key(text) for text in texts if isinstance(text, str))
    return next((key for key in keys if isinstance(key, ServiceKey)), None)


def _parts(body: object, depth: int = 3) -> Iterator[object]:
    """A body, and the objects within it that may be a key."""
    yield body
    if isinstance(body, Mapping) and depth:
        for name in _WITHIN:
            yield from _parts(body.get(name), depth - 1)


def _as_far_as_it_fits(fields: object, known: Mapping[str, str]) -> KeyInfo:
    stand_ins = {"id": "?", "name": "?"}
    fits: dict[str, object] = {}
    for name, value in _without_secret(fields).items() if isinstance(fields, dict) else ():
        with suppress(ResponseFormatError, RecursionError):
            parse_fields(KeyInfo, {**stand_ins, name: value})
            fits[name] = value
    info = parse_fields(KeyInfo, {**stand_ins, **fits})
    return info.model_copy(update={name: known.get(name, "") for name in stand_ins if name not in fits})


def _without_secret(fields: object) -> dict[str, object]:
    if not isinstance(fields, dict):
        raise ResponseFormatError("The service's answer has something else in the place of a key.")
    return {name: value for name, value in fields.items() if name not in _SECRET}


def _first(body: object, names: Iterable[str], kind: type) -> object:
    if not isinstance(body, Mapping):
        return None
    return next((body[name] for name in names if isinstance(body.get(name), kind)), None)


def _named(name: str | Keep) -> str | Keep:
    if isinstance(name, str) and not name.strip():
        raise ConfigurationError("A key needs a name.", hint="Say what it is for: 'Production CI/CD'.")
    return name


def _moment(moment: datetime | Keep | None) -> str | Keep | None:
    if moment is None or isinstance(moment, Keep):
        return moment
    if moment.tzinfo is None:
        raise ConfigurationError(
            "expires_at has no time zone.", hint="Write datetime(2027, 1, 31, tzinfo=timezone.utc)."
        )
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _texts(values: Iterable[str] | Keep | None) -> list[str] | Keep | None:
    if values is None or isinstance(values, Keep):
        return values
    if isinstance(values, str):
        raise ConfigurationError(
            "permissions and referrers are lists of texts.", hint="Write ['agents:read'], not 'agents:read'."
        )
    return list(values)


def _rate(limit: RateLimit | int | Keep | None) -> dict[str, int] | Keep | None:
    if limit is None or isinstance(limit, Keep):
        return limit
    checked = limit if isinstance(limit, RateLimit) else RateLimit(limit)
    return {"requests": checked.requests, "per_seconds": checked.per_seconds}
