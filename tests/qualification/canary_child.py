"""A program that does everything with the SDK, lets much of it fail, and shows all that can be shown of it.

It runs in a process of its own. The first line of standard input brings the keys, so that none stands in
code, arguments or environment; every further line is one errand. What the person's own code holds (the
table of keys here) is the person's; the tests look for copies in everything else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import rich.console
import rich.traceback
from pydantic import SecretStr
from rich.pretty import pretty_repr

import nimbus_sdk
from nimbus_sdk import aio
from tests.qualification import tripwire

KEYS: dict[str, str] = {}
_SEEN: set[type[BaseException]] = set()
ROOMS: tuple[tripwire.Room, ...] = ("disk", "network", "process")


def main() -> None:
    """Do what the lines of standard input say, and write a line to the pipe after each."""
    _record_spawning()
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
    rich.traceback.install(
        console=rich.console.Console(file=sys.stderr, width=250),
        show_locals=True,
        locals_max_length=None,  # type: ignore[arg-type]
        locals_max_string=None,  # type: ignore[arg-type]
        max_frames=0,
        extra_lines=0,
    )
    done = os.fdopen(int(sys.argv[1]), "w")
    KEYS.update(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        value = _perform(json.loads(line))
        sys.stdout.flush()
        print(value if isinstance(value, bool) else "done", file=done, flush=True)


def _perform(order: dict[str, Any]) -> object:
    name, options = order["do"], order["with"]
    print(f"== {name} {options}")
    print(Path("/proc/self/cmdline").read_bytes())
    for logger in list(logging.root.manager.loggerDict):
        logging.getLogger(logger).setLevel(logging.DEBUG)
    try:
        value = globals()[name](**options)
        _show(value)
    except BaseException as error:
        _show_failure(error)
        return None
    return value


def _show(value: object) -> None:
    print(repr(value), str(value), f"{value}")
    for method in ("to_json", "to_dict", "_repr_html_", "model_dump_json"):
        if hasattr(value, method):
            print(getattr(value, method)())
    if not isinstance(value, SecretStr):
        # What pydantic's SecretStr holds was asked for, and is the person's.
        _show_parts(value)
        _pickle(value)


def _show_parts(value: object) -> None:
    print({name: getattr(value, name) for name in getattr(value, "__slots__", ())})
    print(getattr(value, "__dict__", {}))


def _show_failure(error: BaseException) -> None:
    logging.getLogger("the.program").exception("it failed")
    if type(error) not in _SEEN:
        # It takes rich a while to draw one; what it draws of locals is shown of every error below.
        _SEEN.add(type(error))
        sys.excepthook(type(error), error, error.__traceback__)
    try:
        print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    except Exception as trouble:
        # An object that was interrupted while it was made cannot always be shown.
        print(f"no traceback with locals: {trouble!r}")
    seen: BaseException | None = error
    while seen is not None:
        print(repr(seen), str(seen), seen.args)
        _show_parts(seen)
        _pickle(seen)
        _show_frames(seen.__traceback__)
        seen = seen.__cause__ or seen.__context__


def _show_frames(trace: TracebackType | None) -> None:
    while trace is not None:
        for name, value in trace.tb_frame.f_locals.items():
            print(trace.tb_frame.f_code.co_qualname, name, _shown(value), pretty_repr(value))
        trace = trace.tb_next


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as trouble:
        return f"no repr: {trouble!r}"


def _pickle(value: object) -> None:
    try:
        content = pickle.dumps(value)
    except (TypeError, AttributeError, pickle.PicklingError) as refusal:
        print(f"no pickle: {refusal}")
        return
    Path(f"pickle-{len(os.listdir())}").write_bytes(content)


def _record_spawning() -> None:
    real = subprocess.Popen.__init__

    def recorded(self: Any, *arguments: Any, **options: Any) -> None:
        environ = options.get("env") or dict(os.environ)
        print("spawned", arguments, environ)
        real(self, *arguments, **options)

    subprocess.Popen.__init__ = recorded  # type: ignore[method-assign]


def install(key: str | None = None, **options: Any) -> object:
    """``install_core``."""
    return nimbus_sdk.install_core(None if key is None else KEYS[key], **options)


def install_in_a_loop(key: str | None = None, **options: Any) -> object:
    """The awaitable ``install_core``."""
    return asyncio.run(aio.install_core(None if key is None else KEYS[key], **options))


def interrupted_install(key: str, **aim: Any) -> object:
    """``install_core`` with Ctrl-C at a step, in a child that ends with it; whether it was cut short."""
    sys.stdout.flush()
    if (child := os.fork()) != 0:
        _SEEN.add(KeyboardInterrupt)
        return os.waitpid(child, 0)[1] != 0
    status = 0
    try:
        if "at" in aim:
            tripwire.lay(tripwire.Counted(aim["at"], tripwire.interrupt, rooms=ROOMS))
        else:
            tripwire.lay(tripwire.Aimed(tripwire.interrupt, **aim))
        install(key, force=True)
    except BaseException as error:
        status = 1
        _show_failure(error)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def by_environment(key: str, errand: str, **options: Any) -> object:
    """Another errand, with the key in ``NIMBUS_API_KEY``."""
    os.environ["NIMBUS_API_KEY"] = KEYS[key]
    try:
        return globals()[errand](**options)
    finally:
        del os.environ["NIMBUS_API_KEY"]


def by_dotenv(key: str, errand: str, **options: Any) -> object:
    """Another errand, with the key in a ``.env`` that is gone afterwards."""
    Path(".env").write_text(f"NIMBUS_API_KEY={KEYS[key]}\n")
    try:
        return globals()[errand](**options)
    finally:
        Path(".env").unlink()


def authenticate(key: str | None = None, **options: Any) -> object:
    """``authenticate``."""
    return nimbus_sdk.authenticate(None if key is None else KEYS[key], **options)


def call(function: str, **options: Any) -> object:
    """A public function that takes no key."""
    return getattr(nimbus_sdk, function)(**options)


def call_in_a_loop(function: str, **options: Any) -> object:
    """The awaitable twin of one."""
    return asyncio.run(getattr(aio, function)(**options))


def client(key: str, method: str, **options: Any) -> object:
    """A method of ``NimbusClient``."""
    with nimbus_sdk.NimbusClient(KEYS[key], timeout=0.6) as speaking:
        print(speaking, vars(speaking))
        return getattr(speaking, method)(**options)


def client_in_a_loop(key: str, method: str, **options: Any) -> object:
    """A method of ``AsyncNimbusClient``."""

    async def speak() -> object:
        async with nimbus_sdk.AsyncNimbusClient(KEYS[key], timeout=0.6) as speaking:
            print(speaking, vars(speaking))
            return await getattr(speaking, method)(**options)

    return asyncio.run(speak())


def save(key: str) -> object:
    """``save_api_key``."""
    return nimbus_sdk.save_api_key(KEYS[key])


def stored(key: str) -> object:
    """``get_stored_api_key``, which gives the whole key to the person: only whether it is right is shown."""
    return nimbus_sdk.get_stored_api_key() == KEYS[key]


def of_session() -> object:
    """The session's own key, as it shows itself."""
    return nimbus_sdk.current_session().api_key


def revoke(key: str, **options: Any) -> object:
    """``revoke_api_key``."""
    return nimbus_sdk.revoke_api_key(KEYS[key], **options)


if __name__ == "__main__":
    main()
