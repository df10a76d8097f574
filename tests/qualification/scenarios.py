"""Two installs that are cut short in every way: the first one, and an upgrade that brings another account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.qualification.worlds import CREDENTIALS, NEW, NOTHING, Stage, State, World


@dataclass(frozen=True)
class Scenario:
    """An install from a known state to another.

    Attributes:
        name: For tables.
        start: The world before it; every run gets a copy.
        old: What is found before it.
        new: What is found after it.
        order: The arguments of ``install_core``.
        steps: Every step that an undisturbed run takes, as room, function and target.
    """

    name: str
    start: World
    old: State
    new: State
    order: dict[str, object]
    steps: Sequence[Sequence[str]]

    def faults(self, found: State) -> Iterator[str]:
        """What is wrong with a state that a cut install left behind.

        Session and core change together, in one moment: a new session is never found with the old core,
        nor the other way round. The key is stored right before that moment, once it was found valid, so
        it may be the new one already; it is never missing where it was there.
        """
        if (found.session, found.core) not in (
            (self.old.session, self.old.core),
            (self.new.session, self.new.core),
        ):
            yield f"a mixture: session {found.session} with core {found.core}"
        if found.key not in (self.old.key, self.new.key):
            yield f"a stored key of neither state: {found.key}"
        if found.session == self.new.session and found.key != self.new.key:
            yield f"the new session with the stored key {found.key}"

    def faults_after_repeat(self, found: State) -> Iterator[str]:
        """What is wrong once the same install was simply run again, without force."""
        if (found.session, found.key) != (self.new.session, self.new.key):
            yield f"run again, it leaves session {found.session} and stored key {found.key}"
        if found.core not in (self.old.core, self.new.core) or found.core is None:
            yield f"run again, it leaves core {found.core}"


def first_install(stage: Stage) -> Scenario:
    """Nothing is there, and everything is to come."""
    return _rehearsed(stage, "first install", stage.world(), NOTHING, "new", {})


def upgrade(stage: Stage) -> Scenario:
    """A core and an account are there; another account brings a newer core."""
    start = stage.world()
    installed = start.run("install", key=stage.key("old"))
    if installed.fault is not None:
        raise AssertionError(f"{installed}\n{start.said()}")
    old = start.state()
    stage.sandbox.publish(NEW)
    return _rehearsed(stage, "upgrade", start, old, "new", {"force": True})


def _rehearsed(
    stage: Stage, name: str, start: World, old: State, key: str, options: dict[str, object]
) -> Scenario:
    order = {"key": stage.key(key), **options}
    rehearsal = stage.world(like=start)
    steps = rehearsal.run("record", **order)
    if not isinstance(steps.value, list):
        raise AssertionError(f"{steps}\n{rehearsal.said()}")
    return Scenario(name, start, old, rehearsal.state(), order, steps.value)


def leaks(world: World, scenario: Scenario) -> list[str]:
    """Files that hold the key of the install, beside the one that may."""
    text = Path(str(scenario.order["key"])).read_text()
    return [f"the key is left in {path}" for path in world.files_with(text) if path != CREDENTIALS]
