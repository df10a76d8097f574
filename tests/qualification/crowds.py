"""Many at once on one machine. The long form sends 50 instead of 20."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.qualification.nursery import Outcome
from tests.qualification.worlds import World, stage_at

ONE_INSTALL = {"validate": 1, "github_token": 1, "release": 1, "asset": 1, "storage": 1}
ONE_REFRESH = {"refresh": 1}


def crowd(
    world: World,
    number: int,
    errand: str = "install",
    environ: Mapping[str, str] | None = None,
    **order: object,
) -> list[Outcome]:
    """Let so many processes begin the same errand in the same moment, and wait for them all."""
    lives = [world.start(errand, environ, gate=True, **order) for _ in range(number)]
    for life in lives:
        life.go()
    return [life.outcome() for life in lives]


def asked(world: World) -> dict[str, int]:
    """How often each endpoint was asked since the journal was cleared."""
    return dict(Counter(exchange.endpoint for exchange in world.stage.sandbox.journal()))


def problems(outcomes: list[Outcome], fingerprint: str) -> list[Outcome]:
    """Those that did not give the session of this key."""
    return [outcome for outcome in outcomes if outcome.value != fingerprint]


def main(number: int = 50) -> int:
    """Install, then renew an old session, with so many processes; the exit code says whether all is well."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, stage_at(Path(folder), Path(folder) / "wheels") as stage:
        world, key = stage.world(), stage.key("one")
        for name, expected in (("install", ONE_INSTALL), ("refresh", ONE_REFRESH)):
            stage.sandbox.clear_journal()
            started = time.monotonic()
            failed = problems(crowd(world, number, key=key), stage.fingerprint("one"))
            seconds = time.monotonic() - started
            print(f"{number} processes, {name}: {seconds:.2f} s, asked {asked(world)}, failed {failed}")
            wrong += bool(failed) + (asked(world) != expected)
            world.run("age", hours=2)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
