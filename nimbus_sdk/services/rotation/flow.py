"""Storing, restoring, removing and rotating a service's key, as flows; a rotation continues where it stopped.

Source of the rotation's steps: the section "Rotating Keys" of the Nimbus OS documentation (create, update,
verify, revoke). Keys are made and revoked in the portal; this is what happens in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nimbus_sdk.errors import InvalidKeyError, NimbusError
from nimbus_sdk.services.base.connection import Connection
from nimbus_sdk.services.base.key_slot import acquire_lock
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.services.rotation.record import Rotation as Rotation
from nimbus_sdk.services.rotation.state import StoredKeys, is_for
from nimbus_sdk.storage.credentials import MemoryStore
from nimbus_sdk.transport.flow import Flow, run_blocking

T = TypeVar("T")

_LOCK_SECONDS = 2.0
_REJECTED = "unauthorized"
"""The service's own code for a key that it does not know; what is in between refuses with another one."""


def save_key(connection: Connection) -> Flow[str]:
    """Store the key in use, which was just found valid, and return the store's name.

    Raises:
        ConfigurationError: A rotation is under way, or another process is changing the key.
        CredentialStoreError: No store takes it.
    """
    key, keys = (yield from run_blocking(connection.find_key)).key, StoredKeys(connection)

    def change() -> str:
        keys.require_no_rotation()
        return keys.replace(key, connection.origin).store.name

    return (yield from _exclusive(keys, run_blocking(change)))


def forget_key(connection: Connection) -> Flow[bool]:
    """Remove the stored key and the previous one; False if there was none.

    Raises:
        ConfigurationError: A rotation is under way, or another process is changing the key.
        CredentialStoreError: The store does not let it be removed.
    """
    keys = StoredKeys(connection)

    def change() -> bool:
        keys.require_no_rotation()
        return keys.delete()

    removed = yield from _exclusive(keys, run_blocking(change))
    connection.forget_stored_key()
    return removed


def restore_key(connection: Connection) -> Flow[str]:
    """Exchange the stored key and the previous one, use that one, and return it masked.

    Raises:
        MissingKeyError: There is none for this base URL.
        ConfigurationError: A rotation is under way, or another process is changing the key.
        CredentialStoreError: The store refuses.
    """
    keys = StoredKeys(connection)

    def change() -> ServiceKey:
        keys.require_no_rotation()
        return keys.restore()

    key = yield from _exclusive(keys, run_blocking(change))
    connection.use_key(key, "store")
    return key.masked


class RotationFlow:
    """The rotation of one service's key.

    Args:
        connection: The client's; it uses the new key once that is the current one.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._keys = StoredKeys(connection)

    def read(self) -> Flow[Rotation | None]:
        """Return the progress of the last rotation, or None if there was none."""
        return run_blocking(self._keys.read_rotation)

    def rotate(self, new: ServiceKey | None, validate: Callable[[ServiceKey], Flow[None]]) -> Flow[Rotation]:
        """Store the new key, check that it is valid, and make it the current one; or continue with that.

        Args:
            new: The new key, or None to continue with the one that was given before.
            validate: A flow that raises if a key is not valid.
        """
        return _exclusive(self._keys, self._rotate(new, validate))

    def confirm(self) -> Flow[Rotation]:
        """Remove the old key from this machine."""
        return _exclusive(self._keys, run_blocking(self._keys.confirm))

    def undo(self) -> Flow[Rotation]:
        """Use the old key again, or remove a new one that was never in use."""
        return _exclusive(self._keys, run_blocking(self._keys.undo))

    def _rotate(self, new: ServiceKey | None, validate: Callable[[ServiceKey], Flow[None]]) -> Flow[Rotation]:
        self._connection.forget_stored_key()
        rotation = yield from run_blocking(self._keys.unfinished_rotation)
        if rotation is not None and rotation.step == "switched" and is_for(rotation, new):
            return (yield from run_blocking(lambda: self._keys.finish_switch(rotation)))
        received = yield from run_blocking(lambda: self._keys.receive(rotation, new))
        try:
            ready, key = yield from run_blocking(lambda: self._keys.prepare_switch(received))
            yield from self._validate(ready, key, validate)
            return (yield from run_blocking(lambda: self._keys.switch(ready)))
        except NimbusError as error:
            if not _is_rejection(error):
                error.hint = (
                    "The new key is stored: run the rotation again to continue, or undo it to drop that key. "
                    f"{error.hint}"
                )
            raise

    def _validate(
        self, rotation: Rotation, key: ServiceKey, validate: Callable[[ServiceKey], Flow[None]]
    ) -> Flow[None]:
        try:
            yield from validate(key)
        except InvalidKeyError as error:
            # It is the only copy: dropped if the service itself does not know it, and for no other reason.
            if _is_rejection(error):
                yield from run_blocking(lambda: self._keys.end(rotation, "undone"))
                error.hint = f"The new key was dropped; {rotation.old_masked} stays in use. {error.hint}"
            raise


def _exclusive(keys: StoredKeys, change: Flow[T]) -> Flow[T]:
    """Run a flow that changes the stored keys while no other process does."""
    if keys.current.settings.credential_store == MemoryStore.name:
        return (yield from change)
    with keys.current.lock() as lock:
        busy = "Another process is changing this key right now."
        yield from acquire_lock(lock, seconds=_LOCK_SECONDS, busy=busy)
        yield from run_blocking(keys.finish_replacing)
        return (yield from change)


def _is_rejection(error: NimbusError) -> bool:
    return isinstance(error, InvalidKeyError) and error.code == _REJECTED
