"""A NeuroAI key as Python asks for it, beside the one that the API is asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.neuroai_traits import Traits, read_traits

KeyType = Literal["personal", "team", "service"]


class NeuroAiKeyFields(TypedDict, total=False):
    """The fields of :class:`NewNeuroAiKey`, as keyword arguments."""

    role: str | None
    name: str
    description: str
    type: KeyType
    permissions: Collection[str] | None
    expires_at: datetime | None
    referrers: Collection[str]
    rate_limit: Mapping[str, int] | None
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNeuroAiKey:
    """A key that is wanted.

    Attributes:
        role: ``Viewer``, ``Developer``, ``Administrator``, ``API Manager``; any where permissions are given.
        name: For people.
        description: For people.
        type: ``personal``, ``team`` or ``service``.
        permissions: The key's own, in place of its role's; None takes the role's.
        expires_at: Aware moment from which it is refused; None is never, and a past one makes an expired key.
        referrers: Domains, addresses and networks it may be used from; empty is anywhere.
        rate_limit: ``{"requests": n, "per_seconds": n}``; None is without a limit.
        user: The account that holds it.

    Raises:
        ConfigurationError: No key can be such; other fields are checked by :meth:`traits`.
    """

    role: str | None = "Administrator"
    name: str = "sandbox"
    description: str = ""
    type: KeyType = "team"
    permissions: Collection[str] | None = None
    expires_at: datetime | None = None
    referrers: Collection[str] = ()
    rate_limit: Mapping[str, int] | None = None
    user: str = "usr_sandbox"

    def __post_init__(self) -> None:
        if not isinstance(self.user, str) or not self.user:
            raise ConfigurationError("user is the id of an account, such as 'usr_sandbox'.")
        if isinstance(self.permissions, str) or isinstance(self.referrers, str):
            raise ConfigurationError("permissions and referrers are collections of texts.")

    def traits(self) -> Traits:
        """The key's traits.

        Raises:
            ConfigurationError: A field is unusable.
        """
        try:
            return read_traits(
                {
                    "role": self.role,
                    "name": self.name,
                    "description": self.description,
                    "type": self.type,
                    "permissions": None if self.permissions is None else list(self.permissions),
                    "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
                    "referrers": list(self.referrers),
                    "rate_limit": None if self.rate_limit is None else dict(self.rate_limit),
                }
            )
        except ValueError as fault:
            raise ConfigurationError(f"No NeuroAI key can be such: {fault}") from fault
