"""The data types of NeuroAI's keys; roles, types and permissions may have values that are not known yet.

Source: the sections "API Key Types", "Available Roles" and "Additional Security Measures" of the NeuroAI
documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, ClassVar, Final, Self

from pydantic import AliasChoices, AliasGenerator, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.errors.printable import printable_texts
from nimbus_sdk.transport.parse import Text, UtcTime, WireModel


class _Text(str):
    """Text of at most 200 characters."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(max_length=200))


class _Word(_Text):
    """Text whose documented values are recognized in any case, with spaces, dashes or underscores."""

    __slots__ = ()
    DOCUMENTED: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, text: str) -> Self:
        """Return the documented value, or the text as it is."""
        return super().__new__(
            cls, next((word for word in cls.DOCUMENTED if _fold(word) == _fold(text)), text)
        )

    @property
    def is_known(self) -> bool:
        """Whether the documentation names it."""
        return self in self.DOCUMENTED


class Role(_Word):
    """The role of a key; ``Role("Auditor")`` is valid as well.

    Examples:
        >>> Role("api_manager") == Role.API_MANAGER, Role("Auditor").is_known
        (True, False)
    """

    __slots__ = ()
    DOCUMENTED = ("Viewer", "Developer", "Administrator", "API Manager")
    VIEWER: ClassVar[Role]
    DEVELOPER: ClassVar[Role]
    ADMINISTRATOR: ClassVar[Role]
    API_MANAGER: ClassVar[Role]


class KeyType(_Word):
    """Whose key it is: a person's, a team's, or a service's.

    Examples:
        >>> KeyType("Team") == KeyType.TEAM
        True
    """

    __slots__ = ()
    DOCUMENTED = ("personal", "team", "service")
    PERSONAL: ClassVar[KeyType]
    TEAM: ClassVar[KeyType]
    SERVICE: ClassVar[KeyType]


class Permission(_Text):
    """One custom permission, such as ``agents:read``; the documentation lists none."""

    __slots__ = ()


def _fold(text: str) -> str:
    return text.strip().lower().replace("-", "_").replace(" ", "_")


Role.VIEWER, Role.DEVELOPER, Role.ADMINISTRATOR, Role.API_MANAGER = map(Role, Role.DOCUMENTED)
KeyType.PERSONAL, KeyType.TEAM, KeyType.SERVICE = map(KeyType, KeyType.DOCUMENTED)


class Keep(Enum):
    """In an update: leave a field as it is. None empties it."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A number of requests in a number of seconds.

    Raises:
        ConfigurationError: A number is not a whole one above 0.

    Examples:
        >>> RateLimit(60)
        RateLimit(requests=60, per_seconds=60)
    """

    requests: int
    per_seconds: int = 60

    def __post_init__(self) -> None:
        if not all(type(number) is int and number > 0 for number in (self.requests, self.per_seconds)):
            raise ConfigurationError(
                "A rate limit is a number of requests in a number of seconds, both whole numbers above 0.",
                hint="Write RateLimit(60), or RateLimit(1000, per_seconds=3600).",
            )


def _rate_limit(value: object) -> RateLimit | None:
    if value is None or isinstance(value, RateLimit):
        return value
    fields = value if isinstance(value, Mapping) else {"requests": value}
    requests, seconds = fields.get("requests"), fields.get("per_seconds", fields.get("perSeconds", 60))
    if not (type(requests) is int and requests > 0 and type(seconds) is int and seconds > 0):
        raise ValueError("not a rate limit")
    return RateLimit(requests, seconds)


# A strict model takes no list for a tuple once a validator has made a Python value of the JSON.
_NONE_IS_EMPTY = BeforeValidator(
    lambda value: tuple(value or ()) if value is None or isinstance(value, list) else value
)


class KeyInfo(WireModel):
    """The properties of a key; never the key itself. Times are UTC, None if NeuroAI does not give them.

    ``referrers`` are the domains and IP addresses that it may be used from; if empty, any. ``id`` and
    ``name`` are empty if the response with a new secret did not have them.
    """

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=lambda name: AliasChoices(name, to_camel(name)))
    )

    id: Annotated[str, Field(min_length=1, max_length=200)]
    name: Text
    description: Text | None = None
    type: KeyType | None = None
    role: Role | None = None
    permissions: Annotated[tuple[Permission, ...], _NONE_IS_EMPTY] = ()
    referrers: Annotated[
        tuple[Text, ...],
        _NONE_IS_EMPTY,
        Field(validation_alias=AliasChoices("referrers", "referrer_restrictions", "referrerRestrictions")),
    ] = ()
    rate_limit: Annotated[RateLimit | None, BeforeValidator(_rate_limit)] = None
    expires_at: UtcTime | None = None
    created_at: UtcTime | None = None
    rotated_at: UtcTime | None = None
    last_used_at: UtcTime | None = None
    key_prefix: Text | None = None

    @property
    def secret_since(self) -> datetime | None:
        """When it got its secret, or None if the service does not say."""
        return self.rotated_at or self.created_at


@printable_texts
@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A key and its secret, which NeuroAI never shows again: only this result has it.

    Attributes:
        info: The key.
        secret: The whole secret; ``secret.get_secret_value()`` gives it.
        saved_in: The credential store that has it (``keyring``, ``file``), or None.
        not_saved: Why it could not be stored; empty if nothing went wrong.
        replaced: The stored key that it replaced, masked; empty if there was none.
    """

    info: KeyInfo
    secret: SecretStr
    saved_in: str | None = None
    not_saved: str = ""
    replaced: str = ""

    @property
    def notice(self) -> str:
        """Where the secret is, for people."""
        if self.saved_in is not None:
            place = f", in place of {self.replaced}, which restore-key brings back" if self.replaced else ""
            return f"The secret is stored ({self.saved_in}){place}; NeuroAI never shows it again."
        problem = f" It could not be stored: {self.not_saved}" if self.not_saved else ""
        return f"The secret is shown only once: save it now, NeuroAI never shows it again.{problem}"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("An IssuedKey is not pickled: a pickle would carry the whole key.")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheck:
    """The result of a verification: the key is valid, else an error would have been raised.

    Attributes:
        key: The key, or None if NeuroAI does not say which one it is.
        valid: Always True.
    """

    key: KeyInfo | None
    valid: bool = True
