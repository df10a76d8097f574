"""What distinguishes one service from another, as data."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from nimbus_sdk.config.keys import PASTED_AROUND_A_KEY
from nimbus_sdk.config.settings import base_url, origin, read_text
from nimbus_sdk.errors import (
    ApiError,
    InvalidKeyError,
    InvalidKeyFormatError,
    KeyExpiredError,
    KeyNotFoundError,
    MethodNotAllowedError,
    MissingKeyError,
    NimbusError,
    NotConfiguredError,
    PermissionDeniedError,
    QuotaExceededError,
)
from nimbus_sdk.services.base.service_key import ParsedServiceKey, ServiceKey, find_fault
from nimbus_sdk.storage.key_kind import KeyKind


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
            problem = find_fault(stripped) or self.check(stripped)
            if problem is None:
                return ServiceKey(stripped)
        else:
            problem, hint = f"it is not text ({type(text).__name__})", "Give the key as text."
        return InvalidKeyFormatError(f"This is not a {self.name} key: {problem}.", hint=hint)

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

    def set_hint(self, error: NimbusError) -> None:
        """Replace the hint of an error, which is for the Nimbus BCI API, by one for this service."""
        redirected = isinstance(error, ApiError) and error.status is not None and 300 <= error.status < 400
        if redirected:
            error.hint = f"Check base_url ({self.url_variable}), or whether a captive portal is in between."
        elif error.hint == type(error).advice:
            error.hint = self._hints.get(type(error), error.hint)

    @property
    def _hints(self) -> dict[type[NimbusError], str]:
        named = " or ".join(self.key_variables)
        check = (
            f"Check the key (the argument, {named}, or the stored one) and that it is meant for this base "
            f"URL; make a new one in {self.portal}."
        )
        return {
            InvalidKeyError: check,
            InvalidKeyFormatError: check,
            MissingKeyError: check,
            NotConfiguredError: f"Trying again will not help: see {self.portal}.",
            KeyNotFoundError: f"See {self.portal} for the existing keys.",
            KeyExpiredError: f"Make a new key in {self.portal}.",
            PermissionDeniedError: f"The key lacks the permission for this: see {self.portal}.",
            MethodNotAllowedError: "This resource does not support this method.",
            QuotaExceededError: f"Wait for the reset, or raise the quota in {self.portal}.",
        }
