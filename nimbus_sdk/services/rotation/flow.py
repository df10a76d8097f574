"""Changing to a new key without a moment in which there is none: guided, and resumed where it stopped.

Source of the steps: the section "Rotating Keys" of the Nimbus OS documentation (create, update, verify,
revoke). Making and revoking happen in the portal; this is what lies between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from nimbus_sdk.errors import (
    ConfigurationError,
    CredentialStoreError,
    InvalidKeyError,
    NimbusError,
)
from nimbus_sdk.services.base.connection import Connection
from nimbus_sdk.services.base.key_slot import alone
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.services.rotation.record import Rotation as Rotation
from nimbus_sdk.services.rotation.state import RotationState, holds
from nimbus_sdk.storage.credentials import MemoryStore, StoredKey
from nimbus_sdk.transport.flow import Flow, run_blocking

_REFUSED = "unauthorized"
"""The service's own word for a key that it does not know; what is in between refuses in other words."""


class RotationFlow:
    """The steps of one service's rotation.

    Args:
        connection: The client's; it uses the new key once that is the one in use.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._slot = connection.slot
        self._state = RotationState(connection)

    def read(self) -> Rotation | None:
        """How far the last rotation has come, or None where there was none; blocking.

        Raises:
            ConfigurationError: The note of it cannot be read, or is damaged.
            CredentialStoreError: The store cannot be read.
        """
        return self._state.read()

    def rotate(self, new: ServiceKey | None, verify: Callable[[ServiceKey], Flow[None]]) -> Flow[Rotation]:
        """Keep the new key, find out whether it is valid, put it in use; or go on where this stopped.

        Args:
            new: The new key, or None to go on with the one that was given before.
            verify: A conversation that raises where a key is not valid.
        """
        return (yield from alone(self._slot, self._rotate(new, verify)))

    def confirm(self) -> Flow[Rotation]:
        """Drop the old key from this machine.

        Raises:
            ConfigurationError: No rotation is waiting for it.
        """
        return (yield from alone(self._slot, run_blocking(self._confirm)))

    def undo(self) -> Flow[Rotation]:
        """Put the old key in use again, or drop a new one that never was.

        Raises:
            ConfigurationError: No rotation can be undone.
        """
        return (yield from alone(self._slot, run_blocking(self._undo)))

    def _rotate(self, new: ServiceKey | None, verify: Callable[[ServiceKey], Flow[None]]) -> Flow[Rotation]:
        self._connection.forget_stored_key()
        state = yield from run_blocking(self._state.unfinished)
        if state is not None and state.step == "switched" and _same(state, new):
            return (yield from run_blocking(lambda: self._in_use(state)))
        received = yield from run_blocking(lambda: self._received(state, new))
        try:
            ready, key = yield from run_blocking(lambda: self._ready(received))
            yield from self._tried(ready, key, verify)
            return (yield from run_blocking(lambda: self._switch(ready)))
        except NimbusError as error:
            if not _is_refusal(error):
                error.hint = (
                    "The new key is kept: run the rotation again to go on, or undo it to drop that key. "
                    f"{error.hint}"
                )
            raise

    def _tried(
        self, state: Rotation, key: ServiceKey, verify: Callable[[ServiceKey], Flow[None]]
    ) -> Flow[None]:
        try:
            yield from verify(key)
        except InvalidKeyError as error:
            # It is the only copy: dropped where the service itself does not know it, and nowhere else.
            if _is_refusal(error):
                yield from run_blocking(lambda: self._state.end(state, "undone"))
                error.hint = f"The new key was dropped; {state.old_masked} stays in use. {error.hint}"
            raise

    def _received(self, state: Rotation | None, new: ServiceKey | None) -> Rotation:
        if state is not None and state.step == "switched":
            raise ConfigurationError(
                f"The rotation to {state.new_masked} waits for its confirmation.",
                hint="Confirm or undo it before you begin another one.",
            )
        if state is not None and state.step == "received":
            if not _same(state, new):
                raise ConfigurationError(
                    f"The new key {state.new_masked} was given before, and is kept.",
                    hint="Run the rotation again without a key to go on with it, or undo it first.",
                )
            if new is not None:
                self._state.following.put(new, self._connection.origin)
            return state
        if new is None:
            raise self._nothing_new()
        return self._begun(new)

    def _begun(self, new: ServiceKey) -> Rotation:
        if self._slot.settings.credential_store == MemoryStore.name:
            raise CredentialStoreError("NIMBUS_SDK_CREDENTIAL_STORE is none, so there is nothing to rotate.")
        origin = self._connection.origin
        try:
            old = self._connection.found().key
        except NimbusError:
            # Told once the new key is kept, since the portal shows it only once.
            old = None
        if new in (old, self._slot.read().key):
            raise self._there_already(new)
        state = self._state.begun(old, new, began_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        self._state.note(state)
        self._state.following.put(new, origin)
        return state

    def _ready(self, state: Rotation) -> tuple[Rotation, ServiceKey]:
        new = self._state.following.read()
        if new.key is None or not holds(new, state.new_fingerprint):
            raise self._nothing_new()
        self._check_base(new)
        old, _ = self._leaving(state)
        if old.fingerprint != state.old_fingerprint:
            state = replace(state, old_masked=old.masked, old_fingerprint=old.fingerprint)
            self._state.note(state)
        return state, new.key

    def _leaving(self, state: Rotation) -> tuple[ServiceKey, str]:
        """The key that is to go, and for which origin it is."""
        now, before = self._slot.read(), self._state.before.read()
        if now.key is not None and holds(now, state.old_fingerprint):
            return now.key, now.origin
        if now.key is None and before.key is not None and holds(before, state.old_fingerprint):
            return before.key, before.origin
        found = self._connection.found()
        if holds(self._state.following.read(), found.key.fingerprint):
            raise self._there_already(found.key)
        if now.key not in (None, found.key):
            raise ConfigurationError(
                f"The key in use, {found.key.masked} ({found.location}), is not the stored one, which would "
                "be lost.",
                hint="Take the one in use away from there to rotate the stored one; or undo this, store the "
                f"one in use with `{self._connection.service.save_command}`, and rotate then.",
            )
        return found.key, self._connection.origin if now.key is None else now.origin

    def _switch(self, state: Rotation) -> Rotation:
        new = self._state.following.read()
        if new.key is None or not holds(new, state.new_fingerprint):
            raise self._nothing_new()
        old, origin = self._leaving(state)
        if self._state.before.read().key != old:
            self._state.before.put(old, origin)
        self._slot.put(new.key, new.origin)
        return self._in_use(state)

    def _in_use(self, state: Rotation) -> Rotation:
        switched = self._state.note(replace(state, step="switched"))
        self._state.following.forget()
        self._adopt_stored()
        return switched

    def _confirm(self) -> Rotation:
        state = self._waiting()
        if state.step == "undone":
            raise _over(state)
        if state.step == "received":
            raise ConfigurationError(
                f"The new key {state.new_masked} is not in use yet, so there is nothing to confirm.",
                hint="Run the rotation again to go on, or undo it.",
            )
        return self._state.end(state, "confirmed")

    def _undo(self) -> Rotation:
        state = self._waiting()
        if state.step == "confirmed":
            raise ConfigurationError(
                f"The old key {state.old_masked} is not at hand any more.",
                hint=f"Confirm the rotation; where the new key does not do, make one in {state.portal}.",
            )
        new, old = self._slot.read(), self._state.before.read()
        if state.step == "switched" and new.key is not None and old.key is not None:
            self._check_base(old)
            # Kept beside once more: until this is over, whoever is interrupted can still go either way.
            self._state.following.put(new.key, new.origin)
            self._slot.put(old.key, old.origin)
            self._adopt_stored()
        return self._state.end(state, "undone")

    def _waiting(self) -> Rotation:
        state = self._state.unfinished()
        if state is not None:
            return state
        raise _over(self._state.read())

    def _adopt_stored(self) -> None:
        stored = self._slot.read()
        if stored.key is not None and stored.withheld_from(self._connection.base) is None:
            self._connection.adopt(stored.key, "store")

    def _check_base(self, there: StoredKey[ServiceKey]) -> None:
        withheld = there.withheld_from(self._connection.base)
        if withheld is not None and there.key is not None:
            raise ConfigurationError(
                f"The key {there.key.masked} does not belong to this base URL: {withheld}.",
                hint="Run it again with the base URL for which the key was given.",
            )

    def _there_already(self, key: ServiceKey) -> ConfigurationError:
        return ConfigurationError(
            f"The key {key.masked} is stored or in use already.",
            hint=f"Make a new one in {self._connection.service.portal}.",
        )

    def _nothing_new(self) -> ConfigurationError:
        return ConfigurationError(
            f"No new {self._connection.service.name} key is at hand.",
            hint=f"Make one in {self._connection.service.portal}, then give it here.",
        )


def _is_refusal(error: NimbusError) -> bool:
    return isinstance(error, InvalidKeyError) and error.code == _REFUSED


def _over(state: Rotation | None) -> ConfigurationError:
    return ConfigurationError(
        "No rotation is under way." if state is None else f"The rotation is {state.step} already.",
        hint="Begin one with a new key.",
    )


def _same(state: Rotation, new: ServiceKey | None) -> bool:
    return new is None or new.fingerprint == state.new_fingerprint
