"""The stored keys of one service as a state machine: replacing a key, and rotating to a new one.

Four slots of the credential store take part. Which state holds is decided by the keys in them and not by a
remembered step, so a process that is killed anywhere leaves one of these states:

=========  ==================================  =====================================================
State      Keys in the slots                   How it goes on
=========  ==================================  =====================================================
at rest    current; perhaps previous           any change
replacing  ``aside``: the replaced key         If current is still that key, nothing has happened and
                                               aside is emptied; otherwise it becomes previous.
received   next: new; current: old             ``rotate`` tries the new key and switches; ``undo``
switched   current: new; previous: old         ``confirm``, or ``undo``
confirmed  current: new; no previous           at rest
undone     current: old; no next               at rest
=========  ==================================  =====================================================

Every key is written to its new slot before it leaves its old one, and read back. The record of a rotation
is written before its first key and after every later one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from nimbus_sdk.errors import ConfigurationError, CredentialStoreError, MissingKeyError, NimbusError
from nimbus_sdk.services.base.connection import Connection
from nimbus_sdk.services.base.service import ServiceKey
from nimbus_sdk.services.rotation.record import Rotation, Step, read_record, write_record
from nimbus_sdk.storage.credentials import MemoryStore, StoreChoice, StoredKey


class StoredKeys:
    """The states and their transitions; every method is blocking, and those that change keys need the lock.

    Every method raises ``CredentialStoreError`` if the store refuses, and ``ConfigurationError`` if the
    record of the rotation cannot be read or written. The connection uses the new key once it is current.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._service = connection.service
        self.current = connection.slot
        self.previous = self.current.beside("previous")
        self.next = self.current.beside("next")
        self._aside = self.current.beside("aside")
        self._paths = self.current.settings.paths

    # Replacing the current key.

    def replace(self, key: ServiceKey, origin: str) -> StoreChoice:
        """Store a key; another one that was there becomes the previous one."""
        self.finish_replacing()
        old = self.current.read()
        if old.key is not None and old.key != key:
            self._aside.save_and_check(old.key, old.origin)
        choice = self.current.save_and_check(key, origin)
        # The key is stored; what is left over now is finished by the next change.
        with suppress(CredentialStoreError):
            self.finish_replacing()
        return choice

    def finish_replacing(self) -> None:
        """Finish a replacement that was interrupted."""
        if not self._aside.has_metadata:
            return
        left = self._aside.read()
        if left.key is not None and left.key != self.current.read().key:
            self.previous.save_and_check(left.key, left.origin)
        self._aside.delete()

    def restore(self) -> ServiceKey:
        """Exchange the current key and the previous one, and return the one that is current now."""
        previous = self.previous.read()
        if previous.key is None or previous.withheld_from(self._connection.base) is not None:
            raise MissingKeyError(
                f"No earlier {self._service.name} key is stored for {self._connection.origin}.",
                hint=f"Make a new one in {self._service.portal}.",
            )
        self.replace(previous.key, previous.origin)
        return previous.key

    def delete(self) -> bool:
        """Remove the current key and the previous one; False if there was none."""
        # The previous one first: a process that is killed in between leaves the key that is known.
        previous, current = self.previous.delete(), self.current.delete()
        return previous or current

    # Reading the state of a rotation.

    def read_rotation(self) -> Rotation | None:
        """The progress of the last rotation, or None if there was none."""
        rotation = self.unfinished_rotation() or read_record(self._paths)
        return None if rotation is None else self._with_overriding_source(rotation)

    def unfinished_rotation(self) -> Rotation | None:
        """The rotation whose end is not recorded, at its true step; None if there is none."""
        recorded = read_record(self._paths)
        if recorded is not None and recorded.is_under_way:
            return replace(recorded, step=self._true_step(recorded))
        # If somebody has removed the record, the new key is stored all the same.
        left = self.next.read().key if self.next.has_metadata else None
        return None if left is None or left == self.current.read().key else self._rotation(None, left, "")

    def require_no_rotation(self) -> None:
        """Raise if a rotation needs the stored keys."""
        rotation = self.unfinished_rotation()
        if rotation is None:
            return
        if rotation.is_under_way:
            raise ConfigurationError(
                f"The rotation to {rotation.new_masked} is under way, and needs the stored keys.",
                hint="Confirm or undo it first, then run this again.",
            )
        # Only its last step was interrupted. Once the keys change, nobody could say any more how it ended.
        self.end(rotation, rotation.step)

    def _true_step(self, recorded: Rotation) -> Step:
        if self.current.holds(recorded.new_fingerprint):
            return "switched" if self.previous.holds(recorded.old_fingerprint) else "confirmed"
        return "received" if self.next.holds(recorded.new_fingerprint) else "undone"

    def _with_overriding_source(self, rotation: Rotation) -> Rotation:
        new_counts = rotation.step in ("switched", "confirmed")
        wanted = rotation.new_fingerprint if new_counts else rotation.old_fingerprint
        # Once another key was stored, a rotation that is over says nothing of the sources any more.
        concerns = rotation.is_under_way or self.current.holds(wanted)
        source = self.current.overriding_source(wanted) if wanted and concerns else ""
        return replace(rotation, shadowed_by=source)

    # The transitions of a rotation.

    def receive(self, new: ServiceKey | None) -> Rotation:
        """Store the new key in its own slot; without one, continue with the key that is there."""
        rotation = self.unfinished_rotation()
        if rotation is not None and rotation.is_under_way:
            return self._continue(rotation, new)
        if new is None:
            raise self._no_new_key()
        return self._begin(new)

    def _continue(self, rotation: Rotation, new: ServiceKey | None) -> Rotation:
        is_same = new is None or new.fingerprint == rotation.new_fingerprint
        if rotation.step == "switched" and is_same:
            return self.finish_switch(rotation)
        if rotation.step == "switched":
            raise ConfigurationError(
                f"The rotation to {rotation.new_masked} is not confirmed yet.",
                hint="Confirm or undo it before you begin another one.",
            )
        if not is_same:
            raise ConfigurationError(
                f"The new key {rotation.new_masked} was given before, and is stored.",
                hint="Run the rotation again without a key to continue with it, or undo it first.",
            )
        if new is not None:
            self.next.save_and_check(new, self._connection.origin)
        return rotation

    def prepare_switch(self, rotation: Rotation) -> tuple[Rotation, ServiceKey]:
        """Return the new key, and the rotation with the old key that it will replace."""
        new, _ = self._new_key(rotation)
        old, _ = self._old_key(rotation)
        if old.fingerprint != rotation.old_fingerprint:
            rotation = replace(rotation, old_masked=old.masked, old_fingerprint=old.fingerprint)
            write_record(self._paths, rotation)
        return rotation, new

    def switch(self, rotation: Rotation) -> Rotation:
        """Make the new key the current one, and the old one the previous."""
        new, new_origin = self._new_key(rotation)
        old, old_origin = self._old_key(rotation)
        if self.previous.read().key != old:
            self.previous.save_and_check(old, old_origin)
        self.current.save_and_check(new, new_origin)
        return self.finish_switch(rotation)

    def finish_switch(self, rotation: Rotation) -> Rotation:
        """Record that the new key is the current one, and use it."""
        switched = self._write(replace(rotation, step="switched"))
        self.next.delete()
        self._use_current()
        return switched

    def confirm(self) -> Rotation:
        """Remove the old key."""
        rotation = self._require_unfinished()
        if rotation.step == "undone":
            raise _already_over(rotation)
        if rotation.step == "received":
            raise ConfigurationError(
                f"The new key {rotation.new_masked} is not in use yet, so there is nothing to confirm.",
                hint="Run the rotation again to continue, or undo it.",
            )
        return self.end(rotation, "confirmed")

    def undo(self) -> Rotation:
        """Make the old key the current one again, and remove the new one."""
        rotation = self._require_unfinished()
        if rotation.step == "confirmed":
            raise ConfigurationError(
                f"The old key {rotation.old_masked} is not stored any more.",
                hint=f"Confirm the rotation; if the new key does not work, make one in {rotation.portal}.",
            )
        new, old = self.current.read(), self.previous.read()
        if rotation.step == "switched" and new.key is not None and old.key is not None:
            self._require_origin(old)
            # The new key is stored once more: until this is over, an interrupted undo can go either way.
            self.next.save_and_check(new.key, new.origin)
            self.current.save_and_check(old.key, old.origin)
            self._use_current()
        return self.end(rotation, "undone")

    def end(self, rotation: Rotation, step: Step) -> Rotation:
        """Remove what is not needed any more, and record the end: ``confirmed`` or ``undone``."""
        copy, other, unneeded = self.previous, self.next, rotation.new_fingerprint
        if step == "confirmed":
            copy, other, unneeded = self.next, self.previous, rotation.old_fingerprint
        # The copy of the current key goes first: while the other key is there, the true step is known.
        current = self.current.read().key
        if current is not None and copy.read().key == current:
            copy.delete()
        if other.holds(unneeded):
            other.delete()
        return self._write(replace(rotation, step=step))

    def _begin(self, new: ServiceKey) -> Rotation:
        if self.current.settings.credential_store == MemoryStore.name:
            raise CredentialStoreError(
                "NIMBUS_SDK_CREDENTIAL_STORE is none, so there is nothing to rotate.",
                hint="Unset it, or set it to keyring or file.",
            )
        origin = self._connection.origin
        try:
            old = self._connection.find_key().key
        except NimbusError:
            # Reported once the new key is stored, since the portal shows that only once.
            old = None
        if new in (old, self.current.read().key):
            raise self._in_use_already(new)
        rotation = self._rotation(old, new, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        write_record(self._paths, rotation)
        self.next.save_and_check(new, origin)
        return rotation

    def _new_key(self, rotation: Rotation) -> tuple[ServiceKey, str]:
        new = self.next.read()
        if new.key is None or new.key.fingerprint != rotation.new_fingerprint:
            raise self._no_new_key()
        self._require_origin(new)
        return new.key, new.origin

    def _old_key(self, rotation: Rotation) -> tuple[ServiceKey, str]:
        """The key that is to be replaced, and its origin."""
        current, previous = self.current.read(), self.previous.read()
        if current.key is not None and current.key.fingerprint == rotation.old_fingerprint:
            return current.key, current.origin
        if current.key is None and previous.key and previous.key.fingerprint == rotation.old_fingerprint:
            return previous.key, previous.origin
        found = self._connection.find_key()
        if self.next.holds(found.key.fingerprint):
            raise self._in_use_already(found.key)
        if current.key not in (None, found.key):
            raise ConfigurationError(
                f"The key in use, {found.key.masked} ({found.location}), is not the stored one, which would "
                "be lost.",
                hint="Remove the one in use from there to rotate the stored one; or undo this, store the one "
                f"in use with `{self._service.save_command}`, and rotate then.",
            )
        return found.key, self._connection.origin if current.key is None else current.origin

    def _rotation(self, old: ServiceKey | None, new: ServiceKey, began_at: str) -> Rotation:
        return Rotation(
            step="received",
            service=self._service.name,
            portal=self._service.portal,
            old_masked="" if old is None else old.masked,
            old_fingerprint="" if old is None else old.fingerprint,
            new_masked=new.masked,
            new_fingerprint=new.fingerprint,
            began_at=began_at,
        )

    def _write(self, rotation: Rotation) -> Rotation:
        write_record(self._paths, rotation)
        return self._with_overriding_source(rotation)

    def _require_unfinished(self) -> Rotation:
        rotation = self.unfinished_rotation()
        if rotation is None:
            raise _already_over(self.read_rotation())
        return rotation

    def _use_current(self) -> None:
        current = self.current.read()
        if current.key is not None and current.withheld_from(self._connection.base) is None:
            self._connection.use_key(current.key, "store")

    def _require_origin(self, stored: StoredKey[ServiceKey]) -> None:
        withheld = stored.withheld_from(self._connection.base)
        if withheld is not None and stored.key is not None:
            raise ConfigurationError(
                f"The key {stored.key.masked} does not belong to this base URL: {withheld}.",
                hint="Run it again with the base URL for which the key was given.",
            )

    def _in_use_already(self, key: ServiceKey) -> ConfigurationError:
        return ConfigurationError(
            f"The key {key.masked} is stored or in use already.",
            hint=f"Make a new one in {self._service.portal}.",
        )

    def _no_new_key(self) -> ConfigurationError:
        return ConfigurationError(
            f"There is no new {self._service.name} key.",
            hint=f"Make one in {self._service.portal}, then give it here.",
        )


def _already_over(rotation: Rotation | None) -> ConfigurationError:
    return ConfigurationError(
        "No rotation is under way." if rotation is None else f"The rotation is {rotation.step} already.",
        hint="Begin one with a new key.",
    )
