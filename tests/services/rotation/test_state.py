"""A process that is killed while keys change loses none, sends none elsewhere, and reports the truth."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from nimbus_sdk.errors import MissingKeyError, NimbusError
from nimbus_sdk.services import NimbusOS
from nimbus_sdk.storage import fs
from nimbus_sdk.transport.flow import Response

BASE = "https://os.example"
FIRST, OLD, NEW = (f"nos_sandbox_{name * 8}" for name in ("fst", "old", "new"))
NAMES = {FIRST: "first", OLD: "old", NEW: "new"}
MOST_POINTS = 100


class FakeService:
    """Accepts every key, and records which was sent where."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def send(self, call, deadline) -> Response:
        """One exchange."""
        del deadline
        self.asked.append((call.url, call.auth.secret))
        return Response(status=200, headers={}, body=b'{"data": []}')

    def close(self) -> None:
        """Nothing is open."""


class Killed(BaseException):
    """The end of the process."""


def client(key: str | None = None, base: str | None = BASE) -> NimbusOS:
    """A client as a new process makes it."""
    return NimbusOS(key, base_url=base, transport=FakeService())


def save_first() -> None:
    """A key was stored, and another one after it."""
    client(FIRST).save_key()
    client(OLD).save_key()


def switch() -> None:
    """A rotation waits for its confirmation."""
    client(OLD).save_key()
    client().rotate_key(NEW)


BEFORE: dict[str, Callable[[], object]] = {
    "rotate": lambda: client(OLD).save_key(),
    "undo": switch,
    "confirm": switch,
}
ROTATING: dict[str, Callable[[], object]] = {
    "rotate": lambda: client().rotate_key(NEW),
    "resume": lambda: client().rotate_key(),
    "undo": lambda: client().undo_rotation(),
    "confirm": lambda: client().confirm_rotation(),
}
KEEPING: dict[str, Callable[[], object]] = {
    "save": lambda: client(NEW).save_key(),
    "restore": lambda: client().restore_key(),
}


def stored() -> dict[str, str]:
    """What is stored, by place."""
    path = Path(os.environ["NIMBUS_SDK_HOME"]) / "config" / "credentials.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    entry = "default@nimbus-os.sandbox"
    return {
        place.removeprefix(entry).lstrip(".") or "now": NAMES[stored["key"]]
        for place, stored in found.items()
    }


def killed() -> BaseException:
    """kill -9."""
    return Killed()


def full() -> BaseException:
    """A disk without space."""
    return OSError(errno.ENOSPC, "No space left on device")


def ctrl_c() -> BaseException:
    """Whoever is interrupted cleans up."""
    return KeyboardInterrupt()


FAULTS = [killed, full, ctrl_c]


def in_turn(*choices: Iterable[Any]) -> pytest.MarkDecorator:
    """One combination at each point, all of them in turn; the long form has each of them at every point."""
    combinations = list(product(*choices, FAULTS))
    names = ["-".join(getattr(each, "__name__", each) for each in one) for one in combinations]
    alone = [
        pytest.param([one], id=f"every point-{name}", marks=pytest.mark.qualification)
        for one, name in zip(combinations, names, strict=True)
    ]
    return pytest.mark.parametrize("turns", [pytest.param(combinations, id="some points"), *alone])


@pytest.fixture
def interrupted(monkeypatch, tmp_path):
    """Gives points at which an act can be interrupted, in a home of its own, interrupted there."""
    # A process that dies takes nothing with it that it has written.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)

    def each(
        prepare: Callable[[], object], act: Callable[[], object], turns: list[tuple[Any, ...]]
    ) -> Iterator[str]:
        prepared = tmp_path / "prepared"
        prepared.mkdir()
        monkeypatch.setenv("NIMBUS_SDK_HOME", str(prepared))
        prepare()
        met = point = 0
        while point < MOST_POINTS:
            *then, fault = turns[met % len(turns)]
            home = tmp_path / f"{met}-{point}"
            copytree(prepared, home)
            monkeypatch.setenv("NIMBUS_SDK_HOME", str(home))
            with monkeypatch.context() as patch:
                disaster = Disaster(point, fault)
                for name in ("rename", "remove", "create"):
                    patch.setattr(fs, name, disaster.met(getattr(fs, name), counts=name != "create"))
                with suppress(Killed, KeyboardInterrupt, NimbusError):
                    act()
            if disaster.happened:
                met, point = met + 1, point + 1
                yield "".join(then)
            elif met < len(turns):
                # An act with few points is met again at each of them, until every combination had its turn.
                point = 0
            else:
                return
        raise AssertionError("the act never ends")

    return each


class Disaster:
    """Strikes before or after a rename or removal; a killed process and a full disk stay so."""

    def __init__(self, point: int, fault: Callable[[], BaseException]) -> None:
        self.happened = False
        self._left, self._after = divmod(point, 2)
        self._fault = fault

    def met(self, real: Callable[..., object], *, counts: bool) -> Callable[..., object]:
        """What the disk does from now on."""

        def change(path: str, *more: object) -> object:
            if "audit" in path or "seal" in path:
                return real(path, *more)
            if self.happened and self._fault is not ctrl_c:
                raise self._fault()
            if self.happened or not counts or self._left:
                self._left -= counts and not self.happened
                return real(path, *more)
            self.happened = True
            if self._after:
                real(path, *more)
            raise self._fault()

        return change


TRUE = {
    None: {"now": "old"},
    "undone": {"now": "old"},
    "confirmed": {"now": "new"},
    "switched": {"now": "new", "previous": "old"},
    "received": {"now": "old", "next": "new"},
}


def check_report() -> None:
    """What is reported is true; the stored key works where it belongs, and is sent nowhere else."""
    state, keys = client().rotation(), stored()
    step = None if state is None else state.step
    assert TRUE[step].items() <= keys.items()
    if step in ("received", "switched"):
        assert {"old", "new"} <= set(keys.values())
    else:
        assert set(keys.values()) == set(TRUE[step].values())
    check_use(keys["now"])


def check_use(now: str) -> None:
    """The stored key is used at its own service, and at no other."""
    own, other = FakeService(), FakeService()
    NimbusOS(base_url=BASE, transport=own).request("GET", "/orders")
    assert [(url, NAMES[key]) for url, key in own.asked] == [(f"{BASE}/orders", now)]
    with pytest.raises(MissingKeyError):
        NimbusOS(transport=other).request("GET", "/orders")
    assert not other.asked


@in_turn(ROTATING)
@pytest.mark.parametrize("act", BEFORE)
def test_an_interrupted_rotation_goes_on_or_back(interrupted, act, turns):
    """At every change of the disk: both keys are there until the end, every way on works or says why not."""
    for then in interrupted(BEFORE[act], ROTATING[act], turns):
        check_report()
        before = stored()
        try:
            rotation = ROTATING[then]()
        except NimbusError:
            # Refused, and nothing touched.
            assert stored() == before
            assert then != "rotate" or before["now"] == "new"
            assert then != "undo" or client().rotation() is None or client().rotation().step != "received"
        else:
            assert stored() == TRUE[rotation.step]  # type: ignore[attr-defined]
            assert client().rotation() == rotation
        check_report()


@in_turn(KEEPING)
@pytest.mark.parametrize("act", KEEPING)
def test_an_interrupted_change_of_the_stored_key_loses_none(interrupted, act, turns):
    """The key in use is one of two, the other one and the one before it are stored, the next act works."""
    for then in interrupted(save_first, KEEPING[act], turns):
        keys = stored()
        now = keys["now"]
        check_use(now)
        coming = {"save": "new", "restore": "first"}[act]
        assert now in ("old", coming)
        assert {"first", "old"} <= set(keys.values()) or (
            act == "save" and {"old", "new"} <= set(keys.values())
        )
        KEEPING[then]()
        earlier = {"old": "first", coming: "old"}[now]
        if then == "restore":
            assert stored() == {"now": earlier, "previous": now}
        else:
            assert stored() == {"now": "new", "previous": "old" if now == "new" else now}
        check_use(stored()["now"])


@in_turn()
def test_an_interrupted_first_key_goes_nowhere_else(interrupted, turns):
    """Either it is not there, or it is there with the note of where it may go."""
    for _ in interrupted(lambda: None, lambda: client(NEW).save_key(), turns):
        if stored():
            check_use("new")
        client(NEW).save_key()
        check_use("new")


@in_turn()
def test_an_interrupted_forgetting_can_be_repeated(interrupted, turns):
    """What is left is in use or gone, and the next attempt leaves nothing."""
    for _ in interrupted(save_first, lambda: client().forget_key(), turns):
        if "now" in stored():
            check_use("old")
        client().forget_key()
        assert stored() == {}
