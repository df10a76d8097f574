"""Changing to a new key without a moment in which there is none: guided, and resumed where it stopped.

Source of the steps: the section "Rotating Keys" of the Nimbus OS documentation (create, update, verify,
revoke). Making and revoking happen in the portal; this is what lies between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from nimbus_sdk import disk
from nimbus_sdk.errors import (
    ConfigurationError,
    CredentialStoreError,
    InvalidKeyError,
    KeyExpiredError,
    NimbusError,
)
from nimbus_sdk.services.link import Link
from nimbus_sdk.services.service_key import ServiceKey
from nimbus_sdk.services.slot import PREVIOUS
from nimbus_sdk.store import files
from nimbus_sdk.store.credentials import MemoryStore
from nimbus_sdk.transport.flow import Flow, work

Step: TypeAlias = Literal["received", "switched", "confirmed", "undone"]
NEXT = "next"
_STEPS = ("received", "switched", "confirmed", "undone")
_OPEN = ("received", "switched")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """How far a rotation has come; printed, it says what to do next. It holds no key.

    Attributes:
        step: ``received``: the new key is kept and not yet found valid. ``switched``: it is in use, and the
            old one is at hand. ``confirmed``: the old one is gone from this machine. ``undone``: the old one
            is in use again.
        system: The system's name.
        portal: Where keys are made and revoked.
        old_masked: What people may see of the old key.
        old_fingerprint: First 12 hexadecimal digits of its SHA-256.
        new_masked: What people may see of the new key.
        new_fingerprint: First 12 hexadecimal digits of its SHA-256.
        began_at: When the new key was given, UTC.
        shadowed_by: A source that still gives the old key, before the store is asked; empty where none does.
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
        if self.step == "received":
            return (
                f"The new key {self.new_masked} is kept, and was not yet found valid.",
                f"The old key {self.old_masked} is still the one in use; run the rotation again to go on.",
            )
        if self.step == "undone":
            return (
                f"The old key {self.old_masked} is the one in use.",
                f"If the new key {self.new_masked} is not needed, revoke it in {self.portal}.",
            )
        shadow = f"{self.shadowed_by} still names {self.old_masked}, and comes before the store: change it."
        told = (
            f"The new key {self.new_masked} was found valid and is in use.",
            *((shadow,) if self.shadowed_by else ()),
        )
        if self.step == "switched":
            return (
                *told,
                f"The old key {self.old_masked} is at hand: undo brings it back, confirm drops it.",
                f"Confirm once everything works; then revoke {self.old_masked} in {self.portal}.",
            )
        return (
            *told,
            f"The old key {self.old_masked} is gone from this machine, and valid until somebody revokes it.",
            f"Now revoke {self.old_masked} in {self.portal}.",
        )

    def __str__(self) -> str:
        return "\n".join(self.lines)


class RotationStory:
    """The steps of one system's rotation.

    Args:
        link: The client's; it uses the new key once that is the one in use.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._slot = link.slot
        self._path = self._slot.places.rotation

    def read(self) -> Rotation | None:
        """How far the last rotation has come, or None where there was none; blocking.

        Raises:
            ConfigurationError: The note of it cannot be read, or is damaged.
        """
        try:
            content = files.read(self._path)
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
            hint="Remove it, then begin the rotation again; no key is lost by that.",
        )

    def rotate(self, new: ServiceKey | None, verify: Callable[[ServiceKey], Flow[None]]) -> Flow[Rotation]:
        """Keep the new key, find out whether it is valid, put it in use; or go on where this stopped.

        Args:
            new: The new key, or None to go on with the one that was given before.
            verify: A conversation that raises where a key is not valid.
        """
        with self._alone() as taken:
            yield from work(taken)
            state = yield from work(self.read)
            if state is not None and state.step == "switched" and _same(state, new):
                yield from work(self._slot.beside(NEXT).forget)
                return state
            state, key = yield from work(lambda: self._received(state, new))
            try:
                yield from verify(key)
            except (InvalidKeyError, KeyExpiredError) as error:
                yield from work(lambda: self._drop(state))
                error.hint = f"The new key was dropped; {state.old_masked} stays in use. {error.hint}"
                raise
            except NimbusError as error:
                error.hint = f"The new key is kept: run the rotation again to go on. {error.hint}"
                raise
            return (yield from work(lambda: self._switch(state, key)))

    def confirm(self) -> Flow[Rotation]:
        """Drop the old key from this machine.

        Raises:
            ConfigurationError: No rotation is waiting for it.
        """
        with self._alone() as taken:
            yield from work(taken)
            state = yield from work(lambda: self._waiting(("switched",)))

            def drop() -> Rotation:
                self._slot.beside(PREVIOUS).forget()
                return self._note(replace(state, step="confirmed"))

            return (yield from work(drop))

    def undo(self) -> Flow[Rotation]:
        """Put the old key in use again, or drop a new one that never was.

        Raises:
            ConfigurationError: No rotation can be undone.
        """
        with self._alone() as taken:
            yield from work(taken)
            state = yield from work(lambda: self._waiting(_OPEN))
            return (yield from work(lambda: self._back(state)))

    @contextmanager
    def _alone(self) -> Iterator[Callable[[], None]]:
        lock = files.Lock(f"{self._path}.lock")

        def take() -> None:
            try:
                free = lock.try_acquire()
            except OSError as error:
                raise self._unwritable(error) from None
            if not free:
                raise ConfigurationError(
                    "Another process is rotating this key right now.", hint="Run it again when it is done."
                )

        with lock:
            yield take

    def _received(self, state: Rotation | None, new: ServiceKey | None) -> tuple[Rotation, ServiceKey]:
        if state is not None and state.step == "switched":
            raise ConfigurationError(
                f"The rotation to {state.new_masked} waits for its confirmation.",
                hint="Confirm or undo it before you begin another one.",
            )
        if new is None:
            return self._kept(state)
        old = self._link.found()
        if old.key == new:
            raise ConfigurationError(
                f"The key {new.masked} is the one in use already.", hint=f"Make a new one in {self._portal}."
            )
        # Kept before anything else: the portal shows a key only once.
        if self._slot.beside(NEXT).save(new, self._link.origin).store.name == MemoryStore.name:
            raise CredentialStoreError("NIMBUS_SDK_CREDENTIAL_STORE is none, so there is nothing to rotate.")
        begun = Rotation(
            step="received",
            system=self._link.system.name,
            portal=self._portal,
            old_masked=old.key.masked,
            old_fingerprint=old.key.fingerprint,
            new_masked=new.masked,
            new_fingerprint=new.fingerprint,
            began_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            shadowed_by="" if old.source in ("store", "argument") else old.location,
        )
        return self._note(begun), new

    def _kept(self, state: Rotation | None) -> tuple[Rotation, ServiceKey]:
        key = None if state is None or state.step != "received" else self._slot.beside(NEXT).read().key
        if state is None or key is None or key.fingerprint != state.new_fingerprint:
            raise ConfigurationError(
                f"No new {self._link.system.name} key is at hand.",
                hint=f"Make one in {self._portal}, then give it here.",
            )
        return state, key

    def _switch(self, state: Rotation, new: ServiceKey) -> Rotation:
        old = self._link.found().key
        # A process that was killed right here has put the new key in its place already.
        if old != new:
            self._slot.beside(PREVIOUS).save(old, self._link.origin)
        self._slot.save(new, self._link.origin)
        switched = self._note(replace(state, step="switched"))
        self._slot.beside(NEXT).forget()
        self._link.adopt(new, "store")
        return switched

    def _back(self, state: Rotation) -> Rotation:
        before = self._slot.beside(PREVIOUS)
        old = before.read().key
        if state.step == "switched":
            if old is None or old.fingerprint != state.old_fingerprint:
                raise ConfigurationError(
                    f"The old key {state.old_masked} is not at hand any more.",
                    hint=f"Make a new one in {self._portal}.",
                )
            self._slot.save(old, self._link.origin)
            self._link.adopt(old, "store")
        undone = self._note(replace(state, step="undone"))
        before.forget()
        self._slot.beside(NEXT).forget()
        return undone

    def _drop(self, state: Rotation) -> None:
        self._note(replace(state, step="undone"))
        self._slot.beside(NEXT).forget()

    def _waiting(self, steps: tuple[str, ...]) -> Rotation:
        state = self.read()
        if state is None or state.step not in steps:
            raise ConfigurationError(
                "No rotation is under way." if state is None else f"The rotation is {state.step} already.",
                hint="Begin one with a new key.",
            )
        return state

    def _note(self, state: Rotation) -> Rotation:
        try:
            disk.write_private(self._path, json.dumps(asdict(state), indent=2).encode() + b"\n")
        except OSError as error:
            raise self._unwritable(error) from None
        return state

    def _unwritable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"The rotation cannot be noted in {self._path} ({error.strerror or error}).",
            hint="Check free space and permissions, then run it again: it goes on where it stopped.",
        )

    @property
    def _portal(self) -> str:
        return self._link.system.portal


def _same(state: Rotation, new: ServiceKey | None) -> bool:
    return new is None or new.fingerprint == state.new_fingerprint
