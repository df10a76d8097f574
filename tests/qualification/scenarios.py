"""Two installs to interrupt in every way: the first one, and an upgrade with another account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.qualification.machines import CREDENTIALS, NEW, NOTHING, Machine, Machines, State


@dataclass(frozen=True)
class Scenario:
    """An install from a known state to another.

    Attributes:
        name: For tables.
        start: The machine before it; every run gets a copy.
        old: What is found before it.
        new: What is found after it.
        arguments: The arguments of ``install_core``.
        steps: Every step that an undisturbed run takes, as area, function and target.
    """

    name: str
    start: Machine
    old: State
    new: State
    arguments: dict[str, object]
    steps: Sequence[Sequence[str]]

    def problems(self, found: State) -> Iterator[str]:
        """Yield what is wrong with the state that an interrupted install left.

        Session and core change together, in one moment: a new session is never found with the old core,
        nor the other way round. The key is stored right before that moment, once it was validated, so
        it may be the new one already; it is never missing if it was there before.
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

    def problems_after_repeat(self, found: State) -> Iterator[str]:
        """Yield what is wrong after the same install was run again, without force."""
        if (found.session, found.key) != (self.new.session, self.new.key):
            yield f"run again, it leaves session {found.session} and stored key {found.key}"
        if found.core not in (self.old.core, self.new.core) or found.core is None:
            yield f"run again, it leaves core {found.core}"


def first_install(machines: Machines) -> Scenario:
    """An install on an empty machine."""
    return _record_scenario(machines, "first install", machines.create(), NOTHING, "new", {})


def upgrade(machines: Machines) -> Scenario:
    """An install of a newer core with another account, over a core and a session."""
    start = machines.create()
    installed = start.run("install", key=machines.key("old"))
    if installed.error is not None:
        raise AssertionError(f"{installed}\n{start.output()}")
    old = start.state()
    machines.sandbox.publish(NEW)
    return _record_scenario(machines, "upgrade", start, old, "new", {"force": True})


def _record_scenario(
    machines: Machines, name: str, start: Machine, old: State, key: str, options: dict[str, object]
) -> Scenario:
    arguments = {"key": machines.key(key), **options}
    trial = machines.create(copy_of=start)
    steps = trial.run("record_steps", **arguments)
    if not isinstance(steps.value, list):
        raise AssertionError(f"{steps}\n{trial.output()}")
    return Scenario(name, start, old, trial.state(), arguments, steps.value)


def leaks(machine: Machine, scenario: Scenario) -> list[str]:
    """Return the files that contain the key of the install, except the one that may."""
    text = Path(str(scenario.arguments["key"])).read_text()
    return [f"the key is left in {path}" for path in machine.files_containing(text) if path != CREDENTIALS]
