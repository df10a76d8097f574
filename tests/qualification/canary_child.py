"""A program that uses all of the SDK, lets much of it fail, and prints everything that can be printed.

It runs in a process of its own. The first line of standard input contains the keys, so that none is in code,
arguments or environment; every further line is a task. What the user's own code holds (the table of keys
here) belongs to the user; the tests look for copies in everything else.
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
from tests.qualification import fault_points

KEYS: dict[str, str] = {}
_SEEN: set[type[BaseException]] = set()
_PRETTY: set[object] = set()
AREAS: tuple[fault_points.Area, ...] = ("disk", "network", "process")


def main() -> None:
    """Run the tasks of standard input, and write a line to that socket after the keys and after each task."""
    _record_spawning()
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
    # Colours of the source, which would take most of the time, show nothing of the variables.
    rich.traceback.Traceback._guess_lexer = classmethod(lambda *_: "text")  # type: ignore[assignment]
    rich.traceback.install(
        console=rich.console.Console(file=sys.stderr, width=250),
        show_locals=True,
        locals_max_length=None,  # type: ignore[arg-type]
        locals_max_string=None,  # type: ignore[arg-type]
        max_frames=0,
        extra_lines=0,
    )
    answers = os.fdopen(os.dup(sys.stdin.fileno()), "w")
    KEYS.update(json.loads(sys.stdin.readline()))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        value = _run(json.loads(line))
        sys.stdout.flush()
        print(value if isinstance(value, bool) else "done", file=answers, flush=True)


def _run(request: dict[str, Any]) -> object:
    name, options = request["task"], request["arguments"]
    print(f"== {name} {options}")
    print(Path("/proc/self/cmdline").read_bytes())
    for logger in list(logging.root.manager.loggerDict):
        logging.getLogger(logger).setLevel(logging.DEBUG)
    try:
        value = globals()[name](**options)
        _print(value)
    except BaseException as error:
        _print_failure(error)
        return None
    return value


def _print(value: object) -> None:
    print(repr(value), str(value), f"{value}")
    for method in ("to_json", "to_dict", "_repr_html_", "model_dump_json"):
        if hasattr(value, method):
            print(getattr(value, method)())
    if not isinstance(value, SecretStr):
        # What pydantic's SecretStr holds was requested, and belongs to the user.
        _print_attributes(value)
        _pickle(value)


def _print_attributes(value: object) -> None:
    print({name: getattr(value, name) for name in getattr(value, "__slots__", ())})
    print(getattr(value, "__dict__", {}))


def _print_failure(error: BaseException) -> None:
    logging.getLogger("the.program").exception("it failed")
    if type(error) not in _SEEN:
        # Rich is slow; the locals that it prints are printed of every error below.
        _SEEN.add(type(error))
        sys.excepthook(type(error), error, error.__traceback__)
    try:
        print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    except Exception as failure:
        # An object whose creation was interrupted cannot always be printed.
        print(f"no traceback with locals: {failure!r}")
    seen: BaseException | None = error
    while seen is not None:
        print(repr(seen), str(seen), seen.args)
        _print_attributes(seen)
        _pickle(seen)
        _print_frames(seen.__traceback__)
        seen = seen.__cause__ or seen.__context__


def _print_frames(trace: TracebackType | None) -> None:
    while trace is not None:
        for name, value in trace.tb_frame.f_locals.items():
            print(trace.tb_frame.f_code.co_qualname, name, _safe_repr(value))
            variable = (trace.tb_frame.f_code, name, type(value))
            if sys.argv[1] == "all" or variable not in _PRETTY:
                _PRETTY.add(variable)
                print(pretty_repr(value))
        trace = trace.tb_next


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as failure:
        return f"no repr: {failure!r}"


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
    """Run ``install_core``."""
    return nimbus_sdk.install_core(None if key is None else KEYS[key], **options)


def install_in_a_loop(key: str | None = None, **options: Any) -> object:
    """Run the awaitable ``install_core``."""
    return asyncio.run(aio.install_core(None if key is None else KEYS[key], **options))


def interrupted_install(key: str, **point: Any) -> object:
    """Run ``install_core`` with Ctrl-C at a step, in a child process; return whether it was interrupted."""
    sys.stdout.flush()
    if (child := os.fork()) != 0:
        _SEEN.add(KeyboardInterrupt)
        return os.waitpid(child, 0)[1] != 0
    status = 0
    try:
        if "at" in point:
            fault_points.install_hooks(fault_points.AtStep(point["at"], fault_points.interrupt, areas=AREAS))
        else:
            fault_points.install_hooks(fault_points.AtCall(fault_points.interrupt, **point))
        install(key, force=True)
    except BaseException as error:
        status = 1
        _print_failure(error)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def by_environment(key: str, task: str, **options: Any) -> object:
    """Run another task, with the key in ``NIMBUS_API_KEY``."""
    os.environ["NIMBUS_API_KEY"] = KEYS[key]
    try:
        return globals()[task](**options)
    finally:
        del os.environ["NIMBUS_API_KEY"]


def by_dotenv(key: str, task: str, **options: Any) -> object:
    """Run another task, with the key in a ``.env`` that is deleted afterwards."""
    Path(".env").write_text(f"NIMBUS_API_KEY={KEYS[key]}\n")
    try:
        return globals()[task](**options)
    finally:
        Path(".env").unlink()


def authenticate(key: str | None = None, **options: Any) -> object:
    """Run ``authenticate``."""
    return nimbus_sdk.authenticate(None if key is None else KEYS[key], **options)


def call(function: str, **options: Any) -> object:
    """Call a public function that takes no key."""
    return getattr(nimbus_sdk, function)(**options)


def call_in_a_loop(function: str, **options: Any) -> object:
    """Call the awaitable twin of such a function."""
    return asyncio.run(getattr(aio, function)(**options))


def client(key: str, method: str, **options: Any) -> object:
    """Call a method of ``NimbusClient``."""
    with nimbus_sdk.NimbusClient(KEYS[key], timeout=0.6) as api:
        print(api, vars(api))
        return getattr(api, method)(**options)


def client_in_a_loop(key: str, method: str, **options: Any) -> object:
    """Call a method of ``AsyncNimbusClient``."""

    async def call_method() -> object:
        async with nimbus_sdk.AsyncNimbusClient(KEYS[key], timeout=0.6) as api:
            print(api, vars(api))
            return await getattr(api, method)(**options)

    return asyncio.run(call_method())


def save(key: str) -> object:
    """Run ``save_api_key``."""
    return nimbus_sdk.save_api_key(KEYS[key])


def stored(key: str) -> object:
    """Run ``get_stored_api_key``, which returns the whole key: only whether it is right is printed."""
    return nimbus_sdk.get_stored_api_key() == KEYS[key]


def session_key() -> object:
    """Return the session's key object, which masks itself."""
    return nimbus_sdk.current_session().api_key


def revoke(key: str, **options: Any) -> object:
    """Run ``revoke_api_key``."""
    return nimbus_sdk.revoke_api_key(KEYS[key], **options)


if __name__ == "__main__":
    main()
