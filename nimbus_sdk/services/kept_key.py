"""The key that is stored for a system: keep it, drop it, bring the one before it back. As flows."""

from __future__ import annotations

from nimbus_sdk.errors import MissingKeyError
from nimbus_sdk.services.link import Link
from nimbus_sdk.services.slot import PREVIOUS
from nimbus_sdk.transport.flow import Flow, work


def save(link: Link) -> Flow[str]:
    """Store the key in use, which was just found valid; gives the store's name.

    Another key that was there stays at hand.

    Raises:
        CredentialStoreError: No store takes it.
    """
    found = yield from work(link.found)
    choice = yield from work(lambda: link.slot.supersede(found.key, link.origin))
    return choice.store.name


def forget(link: Link) -> Flow[bool]:
    """Remove the stored key; False where there was none.

    Raises:
        CredentialStoreError: The store does not let it be removed.
    """
    removed = yield from work(lambda: link.slot.forget())
    link.look_again()
    return removed


def restore(link: Link) -> Flow[str]:
    """Put the key before the stored one in its place, and use it; gives what people may see of it.

    Raises:
        MissingKeyError: There is none for this base URL.
        CredentialStoreError: The store refuses.
    """
    before = yield from work(lambda: link.slot.beside(PREVIOUS).read())
    if before.key is None or before.withheld_from(link.base) is not None:
        raise MissingKeyError(
            f"No earlier {link.system.name} key is at hand for {link.origin}.",
            hint=f"Make a new one in {link.system.portal}.",
        )
    key = before.key
    yield from work(lambda: link.slot.supersede(key, link.origin))
    link.adopt(key, "store")
    return key.masked
