"""A program that lets stories fail and then takes itself apart with every tool that a debugging person has.

It runs in a process of its own; the keys come in on standard input. What this module's own frames and table
hold is the person's; everything else is the SDK's and its libraries', and is searched.
"""

from __future__ import annotations

import copy
import faulthandler
import gc
import json
import os
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator

import nimbus_sdk
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import key_lookup

KEYS: dict[str, str] = {}
MOST_DEPTH = 6
STORIES: dict[str, Callable[[], object]] = {
    "good": lambda: nimbus_sdk.install_core(KEYS["good"], force=True),
    "unknown": lambda: nimbus_sdk.install_core(KEYS["unknown"], force=True),
    "cut": lambda: nimbus_sdk.authenticate(KEYS["good"][:-1]),
    "client": lambda: nimbus_sdk.NimbusClient(KEYS["unknown"]).validate(),
    "offline": lambda: nimbus_sdk.NimbusClient(KEYS["good"], base_url="http://127.0.0.1:9").validate(),
    "revoke": lambda: nimbus_sdk.revoke_api_key(KEYS["unknown"]),
}


def main() -> None:
    """Run every story, show its outcome in every way, and then look for what still holds a key."""
    KEYS.update(json.loads(os.read(0, 65_536)))
    _stories()
    print("== memory")
    print(json.dumps(sorted(_holders())))


def _stories() -> None:
    for name, story in STORIES.items():
        print(f"== {name}")
        try:
            _show_object(story())
        except nimbus_sdk.NimbusError as error:
            _show_error(error)
            _show_object(error)
    with nimbus_sdk.NimbusClient(KEYS["good"]) as client:
        client.validate()
        _show_object(client)
    settings = Settings.load()
    for found in (key_lookup.find_key(settings), nimbus_sdk.explain(), settings):
        _show_object(found)


def _show_error(error: BaseException) -> None:
    kind, trace = type(error), error.__traceback__
    assert trace is not None
    print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    for text in _by_cgitb((kind, error, trace)):
        print(text)
    for frame, _ in traceback.walk_tb(trace):
        if not _ours(frame):
            print("frame", frame.f_code.co_qualname, _serialised(dict(frame.f_locals)))
    faulthandler.dump_traceback(sys.stdout, all_threads=True)


def _by_cgitb(told: tuple[type[BaseException], BaseException, types.TracebackType]) -> Iterator[str]:
    if sys.version_info >= (3, 13):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import cgitb
    # The frames of this module hold what the person gave.
    trace = told[2]
    while trace.tb_next is not None and _ours(trace.tb_frame):
        trace = trace.tb_next
    for form in (cgitb.text, cgitb.html):
        yield form((told[0], told[1], trace), context=1)


def _show_object(value: object) -> None:
    print(repr(value), str(value), f"{value!s}", ascii(value))
    for twin in (copy.copy, copy.deepcopy):
        try:
            print(repr(twin(value)), _serialised(twin(value)))
        except TypeError as refusal:
            print("no copy:", refusal)
    print(_serialised(value))


def _serialised(value: object, depth: int = 0) -> object:
    """What a service that collects errors makes of a value: containers and attributes, level by level."""
    if depth == MOST_DEPTH:
        return repr(value)
    if isinstance(value, dict):
        return {repr(name): _serialised(item, depth + 1) for name, item in value.items() if item is not KEYS}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_serialised(item, depth + 1) for item in value]
    try:
        parts = vars(value)
    except TypeError:
        return repr(value)
    if isinstance(value, (type, types.ModuleType, types.FunctionType)):
        return repr(value)
    return [repr(value), _serialised(dict(parts), depth + 1)]


def _holders() -> set[str]:
    """Kinds of whatever still holds a key: all that Python can reach but this module's own table."""
    gc.collect()
    return {
        type(holder).__name__
        for holder in gc.get_objects()
        if holder is not KEYS and any(map(_tells, gc.get_referents(holder)))
    }


def _tells(value: object) -> bool:
    if isinstance(value, (bytes, bytearray)):
        value = value.decode("latin-1")
    return isinstance(value, str) and any(key in value for key in KEYS.values())


def _ours(frame: types.FrameType) -> bool:
    return frame.f_globals.get("__name__") == __name__


if __name__ == "__main__":
    main()
