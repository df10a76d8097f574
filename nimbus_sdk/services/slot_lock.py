"""One process at a time changes the keys of a slot: saving, restoring, forgetting and rotating alike."""

from __future__ import annotations

from typing import TypeVar

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.services.slot import Slot
from nimbus_sdk.store import files
from nimbus_sdk.store.credentials import MemoryStore
from nimbus_sdk.transport.flow import Flow, pause, work

T = TypeVar("T")

_POLL_SECONDS = 0.1
_POLLS = 20


def alone(slot: Slot, change: Flow[T]) -> Flow[T]:
    """Run a conversation that changes the keys of a slot while nobody else does.

    What an earlier change left half done is brought to its end first.

    Raises:
        ConfigurationError: Another process is at it, or the lock cannot be made.
        CredentialStoreError: The store refuses.
    """
    if slot.settings.credential_store == MemoryStore.name:
        return (yield from change)
    with files.Lock(f"{slot.places.rotation}.lock") as lock:
        yield from _taken(lock)
        yield from work(slot.settle)
        return (yield from change)


def _taken(lock: files.Lock) -> Flow[None]:
    for poll in range(_POLLS):
        if poll:
            yield from pause(_POLL_SECONDS)
        try:
            free = yield from work(lock.try_acquire)
        except OSError as error:
            raise ConfigurationError(
                f"The lock {lock.path} cannot be made ({error.strerror or error}).",
                hint="Check free space and permissions of its folder, or set NIMBUS_SDK_HOME.",
            ) from None
        if free:
            return
    raise ConfigurationError(
        "Another process is changing this key right now.", hint="Run it again when it is done."
    )
