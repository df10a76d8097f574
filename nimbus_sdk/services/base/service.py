"""What distinguishes one service from another, as data; and the keys of the further services."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import TypeAlias

from nimbus_sdk import errors
from nimbus_sdk.config.keys import PASTED_AROUND_A_KEY, PREFIXES, common_fault, note_secret
from nimbus_sdk.config.settings import base_url, origin, read_text
from nimbus_sdk.errors.printable import printable_texts
from nimbus_sdk.storage.key_kind import KeyKind

MAX_LENGTH = 8192
_MIN_LENGTH_TO_SHOW = 20


@printable_texts
class ServiceKey:
    """A key that masks itself; ``reveal()`` is the one way out.

    Examples:
        >>> key = ServiceKey("sk_live_abc123xyz789def456")
        >>> key, key.masked
        (ServiceKey('sk_l…f456'), 'sk_l…f456')
        >>> ServiceKey("short")
        ServiceKey('…')
    """

    __slots__ = ("_text", "fingerprint")

    def __init__(self, text: str) -> None:
        self._text = text
        self.fingerprint = sha256(text.encode("utf-8")).hexdigest()[:12]
        note_secret(text)

    def reveal(self) -> str:
        """Return the whole key, for the one request header that carries it."""
        return self._text

    @property
    def masked(self) -> str:
        """The first four and last four characters; nothing of a short key."""
        if len(self._text) < _MIN_LENGTH_TO_SHOW:
            return "…"
        return f"{self._text[:4]}…{self._text[-4:]}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ServiceKey):
            return NotImplemented
        return compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"ServiceKey({self.masked!r})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("A ServiceKey is not pickled: a pickle would carry the whole key.")


ParsedServiceKey: TypeAlias = ServiceKey | errors.InvalidKeyFormatError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that takes a key in a header.

    Attributes:
        name: For people.
        entry: Name of its key's entry in the credential store, within the profile.
        key_variable: The variable that gives the key, in the environment or a ``.env``.
        url_variable: The variable that gives the base URL, in the environment alone: a ``.env`` that came
            with somebody's repository must not choose where your key is sent.
        url: Base URL if none is given; None if one must be.
        portal: Where its keys are made and revoked, for people.
        header: Name of the header that carries the key.
        prefix: Text before the key in it.
        check: Returns what is wrong with a key of this service, or None.
        plain_key_variable: A variable that counts if ``key_variable`` is not set; empty if there is none.

    Examples:
        >>> Service(name="Fifth", entry="fifth", key_variable="FIFTH_API_KEY", url_variable="FIFTH_URL",
        ...        url=None, portal="its dashboard", header="X-API-Key").parse_key("Bearer abc").message
        "This is not a Fifth key: it starts with 'Bearer '; give the key alone."
    """

    name: str
    entry: str
    key_variable: str
    url_variable: str
    url: str | None
    portal: str
    header: str
    prefix: str = ""
    check: Callable[[str], str | None] = lambda text: None
    plain_key_variable: str = ""

    def find_base_url(self, given: str | None) -> str | None:
        """Return the base URL: the one given, else the variable's, else the service's own, else None."""
        if given is not None:
            return base_url(given, "base_url")
        named = read_text(os.environ, self.url_variable)
        return base_url(named, self.url_variable) if named else self.url

    def parse_key(self, text: object) -> ParsedServiceKey:
        """Parse a key, perhaps with white space or quotes around it: return it, the error, or None for None.

        The error is returned and not raised, so that the caller can drop the text first: a traceback shows
        the arguments of every function that it passed through.
        """
        if text is None:
            return None
        if isinstance(text, str):
            stripped, hint = text.strip(PASTED_AROUND_A_KEY), "Copy the key again, whole."
            problem = _find_fault(stripped) or self.check(stripped)
            if problem is None:
                return ServiceKey(stripped)
        else:
            problem, hint = f"it is not text ({type(text).__name__})", "Give the key as text."
        return errors.InvalidKeyFormatError(f"This is not a {self.name} key: {problem}.", hint=hint)

    @property
    def key_variables(self) -> tuple[str, ...]:
        """All variables that give the key; the first that is set counts."""
        return tuple(filter(None, (self.key_variable, self.plain_key_variable)))

    @property
    def key_kind(self) -> KeyKind[ServiceKey]:
        """How the credential store reads the service's keys."""
        default_origin = "" if self.url is None else origin(self.url)
        return KeyKind(self.parse_key, default_origin, f"{self.name} key", self.save_command)

    @property
    def save_command(self) -> str:
        """The command that stores a key of this service."""
        return f"nimbus-sdk {self.entry.partition('.')[0]} save-key"

    def set_hint(self, error: errors.NimbusError) -> None:
        """Replace the hint of an error, which is for the Nimbus BCI API, by one for this service."""
        redirected = (
            isinstance(error, errors.ApiError) and error.status is not None and 300 <= error.status < 400
        )
        if redirected:
            error.hint = f"Check base_url ({self.url_variable}), or whether a captive portal is in between."
        elif error.hint == type(error).advice:
            error.hint = self._hints.get(type(error), error.hint)

    @property
    def _hints(self) -> dict[type[errors.NimbusError], str]:
        named = " or ".join(self.key_variables)
        check = (
            f"Check the key (the argument, {named}, or the stored one) and that it is meant for this base "
            f"URL; make a new one in {self.portal}."
        )
        return {
            errors.InvalidKeyError: check,
            errors.InvalidKeyFormatError: check,
            errors.MissingKeyError: check,
            errors.NotConfiguredError: f"Trying again will not help: see {self.portal}.",
            errors.KeyNotFoundError: f"See {self.portal} for the existing keys.",
            errors.KeyExpiredError: f"Make a new key in {self.portal}.",
            errors.PermissionDeniedError: f"The key lacks the permission for this: see {self.portal}.",
            errors.MethodNotAllowedError: "This resource does not support this method.",
            errors.QuotaExceededError: f"Wait for the reset, or raise the quota in {self.portal}.",
        }


def _find_fault(text: str) -> str | None:
    """Return what is wrong with a text for a key of any of the further services, or None."""
    fault = common_fault(text)
    if fault is not None:
        return fault
    if text.lower().startswith("bearer") and text[6:7].isspace():
        return "it starts with 'Bearer '; give the key alone"
    if text.startswith(PREFIXES):
        return "it is a key of the Nimbus BCI API, which works only there"
    if len(text) > MAX_LENGTH:
        return f"it has {len(text)} characters, more than {MAX_LENGTH}"
    if not all("!" <= letter <= "~" for letter in text):
        return "it contains white space or a character that no key has"
    return None
