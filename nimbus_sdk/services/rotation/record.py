"""What is told and noted of a rotation; never a key."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Literal, TypeAlias

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.storage import fs

Step: TypeAlias = Literal["received", "switched", "confirmed", "undone"]
UNDER_WAY: tuple[Step, ...] = ("received", "switched")
_STEPS: tuple[Step, ...] = (*UNDER_WAY, "confirmed", "undone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """How far a rotation has come; printed, it says what to do next. It holds no key.

    Attributes:
        step: ``received``: the new key is kept and not in use yet. ``switched``: it was found valid and put
            in the place of the old one, which is at hand. ``confirmed``: the old one was removed from the
            store. ``undone``: the old one was kept, and the new one removed.
        system: The system's name.
        portal: Where keys are made and revoked.
        old_masked: What people may see of the old key; empty where none was found yet.
        old_fingerprint: First 12 hexadecimal digits of its SHA-256, or empty.
        new_masked: What people may see of the new key.
        new_fingerprint: First 12 hexadecimal digits of its SHA-256.
        began_at: When the new key was given, UTC; empty where the note of it was removed.
        shadowed_by: A source that comes before the store and names another key than the one that should be
            in use; empty where none does. Looked at anew each time.
    """

    step: Step
    system: str
    portal: str
    old_masked: str
    old_fingerprint: str
    new_masked: str
    new_fingerprint: str
    began_at: str
    shadowed_by: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """What happened and what is to be done next, one sentence a line."""
        told = {
            "received": self._received,
            "switched": self._switched,
            "confirmed": self._confirmed,
            "undone": self._undone,
        }
        return told[self.step]

    @property
    def _received(self) -> tuple[str, ...]:
        old = (
            f"The old key {self.old_masked} was not touched; run the rotation again to go on."
            if self.old_masked
            else "No old key was found yet: give it, then run the rotation again to go on."
        )
        return f"The new key {self.new_masked} is kept, and not in use yet.", *self._shadow, old

    @property
    def _switched(self) -> tuple[str, ...]:
        where = "stored" if self.shadowed_by else "in use"
        return (
            f"The new key {self.new_masked} was found valid and is {where}.",
            *self._shadow,
            f"The old key {self.old_masked} is at hand: undo brings it back, confirm drops it.",
            f"Confirm once everything works; then revoke {self.old_masked} in {self.portal}.",
        )

    @property
    def _confirmed(self) -> tuple[str, ...]:
        return (
            f"The new key {self.new_masked} was found valid and took the place of {self.old_masked}.",
            *self._shadow,
            f"The old key {self.old_masked} was removed from the store, and is valid until it is revoked.",
            f"Now revoke {self.old_masked} in {self.portal}.",
        )

    @property
    def _undone(self) -> tuple[str, ...]:
        kept = f", and the old key {self.old_masked} was kept" if self.old_masked else ""
        return (
            f"The rotation to the new key {self.new_masked} was undone{kept}.",
            *self._shadow,
            f"If the new key {self.new_masked} is not needed, revoke it in {self.portal}.",
        )

    @property
    def _shadow(self) -> tuple[str, ...]:
        if not self.shadowed_by:
            return ()
        return (f"{self.shadowed_by} names another key, and comes before the store: change or remove it.",)

    def __str__(self) -> str:
        return "\n".join(self.lines)


class RotationNote:
    """The file that remembers a rotation. What is true of it is decided by what the store holds.

    Args:
        path: ``Paths.rotation``.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self) -> Rotation | None:
        """What was noted last, or None.

        Raises:
            ConfigurationError: It cannot be read, or is damaged.
        """
        try:
            content = fs.read(self._path)
            if content is None:
                return None
            told = json.loads(content)
            values = {field.name: told[field.name] for field in fields(Rotation)}
            if values["step"] in _STEPS and all(isinstance(value, str) for value in values.values()):
                return Rotation(**values)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            pass
        raise ConfigurationError(
            f"The note of the rotation, {self._path}, cannot be read or is damaged.",
            hint="Remove it: no key is lost by that. Then run the rotation again; where the new key was in "
            "use already, restore-key brings the old one back.",
        )

    def write(self, state: Rotation) -> Rotation:
        """Note how far it has come, and give that.

        Raises:
            ConfigurationError: The disk refused.
        """
        try:
            fs.write_private(self._path, json.dumps(asdict(state), indent=2).encode() + b"\n")
        except OSError as error:
            raise ConfigurationError(
                f"The rotation cannot be noted in {self._path} ({error.strerror or error}).",
                hint="Check free space and permissions, then run it again: it goes on where it stopped.",
            ) from None
        return state
