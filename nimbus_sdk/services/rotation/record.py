"""The record of a rotation: what is reported of it, and the file that it is stored in; never a key."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Literal, TypeAlias, get_args

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.errors.printable import printable_texts
from nimbus_sdk.storage import fs, trust

Step: TypeAlias = Literal["received", "switched", "confirmed", "undone"]


@printable_texts
@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The progress of a rotation; printed, it says what to do next. It contains no key.

    Attributes:
        step: ``received``: the new key is stored and not in use yet. ``switched``: it was found valid and
            replaced the old one, which is still stored. ``confirmed``: the old one was removed from the
            store. ``undone``: the old one stayed, and the new one was removed.
        service: The service's name.
        portal: Where keys are made and revoked.
        old_masked: The old key, masked; empty if none was found yet.
        old_fingerprint: First 12 hexadecimal digits of its SHA-256, or empty.
        new_masked: The new key, masked.
        new_fingerprint: First 12 hexadecimal digits of its SHA-256.
        began_at: When the new key was given, UTC; empty if the record of it was removed.
        shadowed_by: A source that comes before the store and names another key than the one that should be
            in use; empty if there is none. Checked each time.
    """

    step: Step
    service: str
    portal: str
    old_masked: str
    old_fingerprint: str
    new_masked: str
    new_fingerprint: str
    began_at: str
    shadowed_by: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether it was neither confirmed nor undone."""
        return self.step in ("received", "switched")

    @property
    def lines(self) -> tuple[str, ...]:
        """What happened and what to do next, one sentence a line."""
        old, new = self.old_masked, self.new_masked
        first, *rest = {
            "received": (
                f"The new key {new} is stored, and not in use yet.",
                f"The old key {old} was not touched; run the rotation again to continue."
                if old
                else "No old key was found yet: give it, then run the rotation again to continue.",
            ),
            "switched": (
                f"The new key {new} was found valid and is {'stored' if self.shadowed_by else 'in use'}.",
                f"The old key {old} is still stored: undo brings it back, confirm removes it.",
                f"Confirm once everything works; then revoke {old} in {self.portal}.",
            ),
            "confirmed": (
                f"The new key {new} was found valid and replaced {old}.",
                f"The old key {old} was removed from the store; it stays valid until it is revoked.",
                f"Now revoke {old} in {self.portal}.",
            ),
            "undone": (
                f"The rotation to the new key {new} was undone{f'; the old key {old} stays' if old else ''}.",
                f"If the new key {new} is not needed, revoke it in {self.portal}.",
            ),
        }[self.step]
        if self.shadowed_by:
            change = "names another key, and comes before the store: change or remove it."
            rest.insert(0, f"{self.shadowed_by} {change}")
        return (first, *rest)

    def __str__(self) -> str:
        return "\n".join(self.lines)


def read_record(paths: Paths) -> Rotation | None:
    """Return the rotation that was recorded last, or None. What is true is decided by the stored keys."""
    try:
        content = trust.read(paths.rotation, paths.state_root)
        if content is None:
            return None
        document = json.loads(content)
        values = {field.name: document[field.name] for field in fields(Rotation)}
        if values["step"] in get_args(Step) and all(isinstance(value, str) for value in values.values()):
            return Rotation(**values)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    raise ConfigurationError(
        f"The record of the rotation, {paths.rotation}, cannot be read or is damaged.",
        hint="Remove it: this loses no key. Then run the rotation again; if the new key was in use "
        "already, restore-key brings the old one back.",
    )


def write_record(paths: Paths, rotation: Rotation) -> None:
    """Replace the record of the rotation; ``ConfigurationError`` if the disk refuses."""
    try:
        fs.write_private(paths.rotation, json.dumps(asdict(rotation), indent=2).encode() + b"\n")
    except OSError as error:
        raise ConfigurationError(
            f"The rotation cannot be recorded in {paths.rotation} ({error.strerror or error}).",
            hint="Check free space and permissions, then run it again: it continues where it stopped.",
        ) from None
