"""What distinguishes one system from the next, as data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nimbus_sdk.config.settings import base_url, origin
from nimbus_sdk.errors import (
    ApiError,
    ConfigurationError,
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
from nimbus_sdk.services.base.service_key import GivenKey, ServiceKey, received_key
from nimbus_sdk.storage.key_kind import KeyKind


def _nothing_wrong(text: str) -> None:
    del text


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system that is spoken to with a key in a header.

    Attributes:
        name: For people.
        entry: What its key is stored under, beside the profile's own.
        key_variable: The variable that gives the key, in the environment or a ``.env``.
        url_variable: The variable that gives the base URL, in the environment alone: a ``.env`` that came
            with somebody's repository shall not choose where your key goes.
        url: Base URL where none is given; None where one must be.
        portal: Where its keys are made and revoked, for people.
        header: Name of the header that carries the key.
        prefix: Text before the key in it.
        check: Says what is wrong with a key of this system, or None.
        plain_key_variable: A variable that counts where ``key_variable`` is not set; empty where none does.

    Example:
        >>> System(name="Fifth", entry="fifth", key_variable="FIFTH_API_KEY", url_variable="FIFTH_URL",
        ...        url=None, portal="its dashboard", header="X-API-Key").base_url("https://fifth.example/")
        'https://fifth.example'
    """

    name: str
    entry: str
    key_variable: str
    url_variable: str
    url: str | None
    portal: str
    header: str
    prefix: str = ""
    check: Callable[[str], str | None] = _nothing_wrong
    plain_key_variable: str = ""

    def base_url(self, given: str | None, environ: Mapping[str, str] | None = None) -> str:
        """The base URL that counts: the one given, the variable's, the system's own.

        Raises:
            ConfigurationError: There is none, or it is neither https nor this machine's loopback.
        """
        known = self.known_base_url(given, environ)
        if known is None:
            raise ConfigurationError(
                f"The base URL of {self.name} is not known.",
                hint=f"Give base_url=…, or set {self.url_variable}.",
            )
        return known

    def known_base_url(self, given: str | None, environ: Mapping[str, str] | None = None) -> str | None:
        """As :meth:`base_url`, and None where there is none.

        Raises:
            ConfigurationError: It is neither https nor this machine's loopback.
        """
        if given is not None:
            return base_url(given, "base_url")
        named = (os.environ if environ is None else environ).get(self.url_variable, "").strip()
        return base_url(named, self.url_variable) if named else self.url

    def read_key(self, text: object) -> GivenKey:
        """A key of this system, the fault with the text, or None; see :func:`received_key`."""
        if text is None or isinstance(text, str):
            return received_key(text, self.name, self.check)
        return InvalidKeyFormatError(
            f"This is not a {self.name} key: it is no text ({type(text).__name__}).",
            hint="Give the key as text.",
        )

    @property
    def key_variables(self) -> tuple[str, ...]:
        """All variables that give the key, the first that has one counts."""
        return tuple(filter(None, (self.key_variable, self.plain_key_variable)))

    @property
    def key_kind(self) -> KeyKind[ServiceKey]:
        """How the credential store reads the system's keys."""
        return KeyKind(
            self.read_key, "" if self.url is None else origin(self.url), f"{self.name} key", self.save_command
        )

    @property
    def save_command(self) -> str:
        """The command that stores a key of this system."""
        return f"nimbus-sdk {self.entry.partition('.')[0]} save-key"

    def advise(self, error: NimbusError) -> None:
        """Put this system's advice in the place of the Nimbus BCI API's own."""
        redirected = isinstance(error, ApiError) and error.status is not None and 300 <= error.status < 400
        if redirected:
            error.hint = f"Check base_url ({self.url_variable}), or whether a captive portal is in between."
        elif error.hint == type(error).advice:
            error.hint = self._advice.get(type(error), error.hint)

    @property
    def _advice(self) -> dict[type[NimbusError], str]:
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
            KeyNotFoundError: f"See {self.portal} for the keys that there are.",
            KeyExpiredError: f"Make a new key in {self.portal}.",
            PermissionDeniedError: f"The key lacks the permission for this: see {self.portal}.",
            MethodNotAllowedError: "This resource does not take this method.",
            QuotaExceededError: f"Wait for the reset, or raise the quota in {self.portal}.",
        }
