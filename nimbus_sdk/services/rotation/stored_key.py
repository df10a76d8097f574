"""The key that is stored for a system: keep it, drop it, bring the one before it back. As flows."""

from __future__ import annotations

from nimbus_sdk.errors import MissingKeyError
from nimbus_sdk.services.base.connection import Link
from nimbus_sdk.services.base.key_slot import PREVIOUS, alone
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.services.rotation.state import RotationState
from nimbus_sdk.transport.flow import Flow, run_blocking


def save(link: Link) -> Flow[str]:
    """Store the key in use, which was just found valid; gives the store's name.

    Another key that was there stays at hand.

    Raises:
        ConfigurationError: A rotation is under way, or another process changes the key.
        CredentialStoreError: No store takes it.
    """
    key = (yield from run_blocking(link.found)).key

    def change() -> str:
        RotationState(link).make_way()
        return link.slot.supersede(key, link.origin).store.name

    return (yield from alone(link.slot, run_blocking(change)))


def forget(link: Link) -> Flow[bool]:
    """Remove the stored key, and the one before it; False where there was none.

    Raises:
        ConfigurationError: A rotation is under way, or another process changes the key.
        CredentialStoreError: The store does not let it be removed.
    """

    def change() -> bool:
        RotationState(link).make_way()
        # Whoever wants no key here would not look for a second one.
        before, now = link.slot.beside(PREVIOUS).forget(), link.slot.forget()
        return before or now

    removed = yield from alone(link.slot, run_blocking(change))
    link.look_again()
    return removed


def restore(link: Link) -> Flow[str]:
    """Put the key before the stored one in its place, and use it; gives what people may see of it.

    Raises:
        MissingKeyError: There is none for this base URL.
        ConfigurationError: A rotation is under way, or another process changes the key.
        CredentialStoreError: The store refuses.
    """

    def change() -> ServiceKey:
        RotationState(link).make_way()
        before = link.slot.beside(PREVIOUS).read()
        if before.key is None or before.withheld_from(link.base) is not None:
            raise MissingKeyError(
                f"No earlier {link.system.name} key is at hand for {link.origin}.",
                hint=f"Make a new one in {link.system.portal}.",
            )
        link.slot.supersede(before.key, before.origin)
        return before.key

    key = yield from alone(link.slot, run_blocking(change))
    link.adopt(key, "store")
    return key.masked
