"""Storing, restoring, removing and rotating a service's key, as flows; a rotation continues where it stopped.

Those whose argument is ``flows`` are methods of the clients as they stand.

Source of the rotation's steps: the section "Rotating Keys" of the Nimbus OS documentation (create, update,
verify, revoke). Keys are made and revoked in the portal; this is what happens in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from nimbus_sdk.errors import InvalidKeyError, NimbusError
from nimbus_sdk.services.base.connection import Connection
from nimbus_sdk.services.base.service import ServiceKey
from nimbus_sdk.services.rotation.record import Rotation
from nimbus_sdk.services.rotation.state import StoredKeys
from nimbus_sdk.storage.credentials import MemoryStore
from nimbus_sdk.transport.flow import Flow, run_blocking


class ServiceFlows(Protocol):
    """The calls of a service."""

    @property
    def connection(self) -> Connection:
        """The service, its base URL and the key."""
        ...


F = TypeVar("F", bound=ServiceFlows)
T = TypeVar("T")

_LOCK_SECONDS = 2.0
_REJECTED = "unauthorized"
"""The service's own code for a key that it does not know; what is in between refuses with another one."""


def save_key(connection: Connection) -> Flow[str]:
    """Store the key in use, which was just found valid, and return the store's name."""
    key, keys = (yield from run_blocking(connection.find_key)).key, StoredKeys(connection)
    choice = yield from _change_keys(keys, lambda: keys.replace(key, connection.origin))
    return choice.store.name


def restore_key(flows: F) -> Flow[str]:
    """Exchange the stored key and the one that was stored before it, use that one, and return it masked.

    Raises:
        MissingKeyError: There is none for this base URL.
        ConfigurationError: A rotation is under way, or another process is changing the key.
        CredentialStoreError: The store refuses.
    """
    keys = StoredKeys(flows.connection)
    key = yield from _change_keys(keys, keys.restore)
    flows.connection.use_key(key, "store")
    return key.masked


def forget_key(flows: F) -> Flow[bool]:
    """Remove the stored key and the previous one; both stay valid. Returns False if there was none.

    Raises:
        ConfigurationError: A rotation is under way, or another process is changing the key.
        CredentialStoreError: The store does not let it be removed.
    """
    keys = StoredKeys(flows.connection)
    removed = yield from _change_keys(keys, keys.delete)
    flows.connection.forget_stored_key()
    return removed


def rotation(flows: F) -> Flow[Rotation | None]:
    """Return the progress of the last rotation, or None if there was none; no network."""
    return run_blocking(StoredKeys(flows.connection).read_rotation)


def confirm_rotation(flows: F) -> Flow[Rotation]:
    """Remove the old key: everything works with the new one. The last line says what is left to do.

    Raises:
        ConfigurationError: The new key is not in use.
    """
    keys = StoredKeys(flows.connection)
    return _exclusive(keys, run_blocking(keys.confirm))


def undo_rotation(flows: F) -> Flow[Rotation]:
    """Go back to the old key, as long as the rotation was not confirmed.

    Raises:
        ConfigurationError: No rotation is under way, or the old key is for another base URL.
    """
    keys = StoredKeys(flows.connection)
    return _exclusive(keys, run_blocking(keys.undo))


def rotate_key(
    connection: Connection, new: ServiceKey | None, validate: Callable[[ServiceKey], Flow[None]]
) -> Flow[Rotation]:
    """Store a new key, or take the one that was given before; once it is valid, make it the current one."""
    keys = StoredKeys(connection)

    def rotate() -> Flow[Rotation]:
        connection.forget_stored_key()
        received = yield from run_blocking(lambda: keys.receive(new))
        if received.step == "switched":
            return received
        try:
            ready, key = yield from run_blocking(lambda: keys.prepare_switch(received))
            yield from _validate(keys, ready, validate(key))
            return (yield from run_blocking(lambda: keys.switch(ready)))
        except NimbusError as error:
            if not _is_rejection(error):
                error.hint = (
                    "The new key is stored: run the rotation again to continue, or undo it to drop that key. "
                    f"{error.hint}"
                )
            raise

    return _exclusive(keys, rotate())


def _validate(keys: StoredKeys, ready: Rotation, validation: Flow[None]) -> Flow[None]:
    try:
        yield from validation
    except InvalidKeyError as error:
        # It is the only copy: dropped if the service itself does not know it, and for no other reason.
        if _is_rejection(error):
            yield from run_blocking(lambda: keys.end(ready, "undone"))
            error.hint = f"The new key was dropped; {ready.old_masked} stays in use. {error.hint}"
        raise


def _change_keys(keys: StoredKeys, change: Callable[[], T]) -> Flow[T]:
    """Run a change for which no rotation may be under way."""

    def run() -> T:
        keys.require_no_rotation()
        return change()

    return _exclusive(keys, run_blocking(run))


def _exclusive(keys: StoredKeys, change: Flow[T]) -> Flow[T]:
    """Run a flow that changes the stored keys while no other process does."""
    if keys.current.settings.credential_store == MemoryStore.name:
        return change

    def run() -> Flow[T]:
        yield from run_blocking(keys.finish_replacing)
        return (yield from change)

    busy = "Another process is changing this key right now."
    return keys.current.exclusive(run(), seconds=_LOCK_SECONDS, busy=busy)


def _is_rejection(error: NimbusError) -> bool:
    return isinstance(error, InvalidKeyError) and error.code == _REJECTED
