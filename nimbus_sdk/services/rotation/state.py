"""How far a rotation has come: decided by which keys the store holds, and not by a remembered step.

The new key is in a place of its own until it is in use and that is noted; the old one is in a place of its
own before that, and until the rotation is confirmed or undone. So whoever is killed anywhere leaves both
keys, and a state that has a name.
"""

from __future__ import annotations

from dataclasses import replace

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.services.base.connection import Connection
from nimbus_sdk.services.base.key_slot import NEXT, PREVIOUS
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.services.rotation.record import UNDER_WAY, Rotation, RotationRecord, Step
from nimbus_sdk.storage.credentials import StoredKey


class RotationState:
    """The stored keys of one service, and what is noted of their rotation; everything here is blocking.

    Args:
        connection: The client's.

    Attributes:
        now: The place of the stored key in use.
        before: The place of the one before it.
        following: The place of the one that is to come.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.now = connection.slot
        self.before = self.now.beside(PREVIOUS)
        self.following = self.now.beside(NEXT)
        self._note = RotationRecord(self.now.settings.paths.rotation)

    def read(self) -> Rotation | None:
        """How far the last rotation has come, or None where there was none.

        Raises:
            ConfigurationError: The note of it cannot be read, or is damaged.
            CredentialStoreError: The store cannot be read.
        """
        state = self.unfinished() or self._note.read()
        return None if state is None else self._with_shadow(state)

    def unfinished(self) -> Rotation | None:
        """The rotation whose end was not noted, at the step that is true of it; None where there is none.

        Raises:
            ConfigurationError: As for :meth:`read`.
            CredentialStoreError: As for :meth:`read`.
        """
        noted = self._note.read()
        if noted is not None and noted.step in UNDER_WAY:
            return replace(noted, step=self._step(noted))
        # Where somebody has removed the note, the key that was given is at hand all the same.
        left = self.following.read().key if self.following.noted else None
        return None if left is None or left == self.now.read().key else self.begun(None, left, began_at="")

    def begun(self, old: ServiceKey | None, new: ServiceKey, *, began_at: str) -> Rotation:
        """The first step of a rotation; nothing is noted here.

        Args:
            old: The key that is to go, or None where none was found yet.
            new: The key that is to come.
            began_at: When it was given, UTC, or empty.
        """
        return Rotation(
            step="received",
            service=self._connection.service.name,
            portal=self._connection.service.portal,
            old_masked="" if old is None else old.masked,
            old_fingerprint="" if old is None else old.fingerprint,
            new_masked=new.masked,
            new_fingerprint=new.fingerprint,
            began_at=began_at,
        )

    def note(self, state: Rotation) -> Rotation:
        """Note how far it has come, and give that with what is in its way by now.

        Raises:
            ConfigurationError: The disk refused.
            CredentialStoreError: As for :meth:`read`.
        """
        return self._with_shadow(self._note.write(state))

    def end(self, state: Rotation, step: Step) -> Rotation:
        """Remove what is not needed any more: first the copy of the key in use, then the other key.

        The note comes last, so that it is true.

        Args:
            step: ``confirmed`` or ``undone``.

        Raises:
            ConfigurationError: The disk refused.
            CredentialStoreError: The store refused.
        """
        copy, other, gone = self.before, self.following, state.new_fingerprint
        if step == "confirmed":
            copy, other, gone = self.following, self.before, state.old_fingerprint
        in_use = self.now.read().key
        if in_use is not None and copy.read().key == in_use:
            copy.forget()
        if holds(other.read(), gone):
            other.forget()
        return self.note(replace(state, step=step))

    def require_no_rotation(self) -> None:
        """Come back only where no rotation is under way, so that the stored keys may be changed.

        Raises:
            ConfigurationError: One is, or its note cannot be read.
            CredentialStoreError: As for :meth:`read`.
        """
        state = self.unfinished()
        if state is None:
            return
        if state.step in UNDER_WAY:
            raise ConfigurationError(
                f"The rotation to {state.new_masked} is under way, and needs the stored keys.",
                hint="Confirm or undo it first, then run this again.",
            )
        # Only its last act was interrupted. Once the keys change, nobody could tell any more how it ended.
        self.end(state, state.step)

    def _step(self, noted: Rotation) -> Step:
        if holds(self.now.read(), noted.new_fingerprint):
            return "switched" if holds(self.before.read(), noted.old_fingerprint) else "confirmed"
        return "received" if holds(self.following.read(), noted.new_fingerprint) else "undone"

    def _with_shadow(self, state: Rotation) -> Rotation:
        new_counts = state.step in ("switched", "confirmed")
        wanted = state.new_fingerprint if new_counts else state.old_fingerprint
        # Of a rotation that is over nothing more is told once another key was stored.
        concerns = state.step in UNDER_WAY or holds(self.now.read(), wanted)
        return replace(state, shadowed_by=self._connection._overriding(wanted) if wanted and concerns else "")


def holds(there: StoredKey[ServiceKey], fingerprint: str) -> bool:
    """Whether a place has the key with this fingerprint."""
    return there.key is not None and there.key.fingerprint == fingerprint
