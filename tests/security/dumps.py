"""A program that lets calls fail and then introspects itself with every tool for debugging.

It runs in a process of its own and reads the keys from standard input. This module's own frames and table
belong to the user; everything else belongs to the SDK and its libraries, and is searched.
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
MAX_DEPTH = 6
CALLS: dict[str, Callable[[], object]] = {
    "good": lambda: nimbus_sdk.install_core(KEYS["good"], force=True),
    "unknown": lambda: nimbus_sdk.install_core(KEYS["unknown"], force=True),
    "cut": lambda: nimbus_sdk.authenticate(KEYS["good"][:-1]),
    "client": lambda: nimbus_sdk.NimbusClient(KEYS["unknown"]).validate(),
    "offline": lambda: nimbus_sdk.NimbusClient(KEYS["good"], base_url="http://127.0.0.1:9").validate(),
    "revoke": lambda: nimbus_sdk.revoke_api_key(KEYS["unknown"]),
}


def main() -> None:
    """Run every call, print its outcome in every way, and then look for objects that still hold a key."""
    KEYS.update(json.loads(os.read(0, 65_536)))
    _run_calls()
    print("== memory")
    print(json.dumps(sorted(_holders())))


def _run_calls() -> None:
    for name, call in CALLS.items():
        print(f"== {name}")
        try:
            _print_object(call())
        except nimbus_sdk.NimbusError as error:
            _print_error(error)
            _print_object(error)
    with nimbus_sdk.NimbusClient(KEYS["good"]) as client:
        client.validate()
        _print_object(client)
    settings = Settings.load()
    for found in (key_lookup.find_key(settings), nimbus_sdk.explain(), settings):
        _print_object(found)


def _print_error(error: BaseException) -> None:
    kind, trace = type(error), error.__traceback__
    assert trace is not None
    print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    for text in _format_with_cgitb((kind, error, trace)):
        print(text)
    for frame, _ in traceback.walk_tb(trace):
        if not _is_ours(frame):
            print("frame", frame.f_code.co_qualname, _serialise(dict(frame.f_locals)))
    faulthandler.dump_traceback(sys.stdout, all_threads=True)


def _format_with_cgitb(
    exception: tuple[type[BaseException], BaseException, types.TracebackType],
) -> Iterator[str]:
    if sys.version_info >= (3, 13):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import cgitb
    # The frames of this module hold what the user passed.
    trace = exception[2]
    while trace.tb_next is not None and _is_ours(trace.tb_frame):
        trace = trace.tb_next
    for form in (cgitb.text, cgitb.html):
        yield form((exception[0], exception[1], trace), context=1)


def _print_object(value: object) -> None:
    print(repr(value), str(value), f"{value!s}", ascii(value))
    for twin in (copy.copy, copy.deepcopy):
        try:
            print(repr(twin(value)), _serialise(twin(value)))
        except TypeError as refusal:
            print("no copy:", refusal)
    print(_serialise(value))


def _serialise(value: object, depth: int = 0) -> object:
    """Serialise a value as error reporters do: containers and attributes, level by level."""
    if depth == MAX_DEPTH:
        return repr(value)
    if isinstance(value, dict):
        return {repr(name): _serialise(item, depth + 1) for name, item in value.items() if item is not KEYS}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_serialise(item, depth + 1) for item in value]
    try:
        parts = vars(value)
    except TypeError:
        return repr(value)
    if isinstance(value, (type, types.ModuleType, types.FunctionType)):
        return repr(value)
    return [repr(value), _serialise(dict(parts), depth + 1)]


def _holders() -> set[str]:
    """Return the types of all reachable objects that still hold a key, except this module's own table."""
    gc.collect()
    return {
        type(holder).__name__
        for holder in gc.get_objects()
        if holder is not KEYS and any(map(_contains_key, gc.get_referents(holder)))
    }


def _contains_key(value: object) -> bool:
    if isinstance(value, (bytes, bytearray)):
        value = value.decode("latin-1")
    return isinstance(value, str) and any(key in value for key in KEYS.values())


def _is_ours(frame: types.FrameType) -> bool:
    return frame.f_globals.get("__name__") == __name__


if __name__ == "__main__":
    main()
