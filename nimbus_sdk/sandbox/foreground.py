"""The sandbox in the foreground, for the command line: until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from nimbus_sdk.sandbox.sandbox import Sandbox

_LOOK_AGAIN = 0.5


def serve(
    port: int = 0,
    db: Path | None = None,
    tier: str = "research",
    on_ready: Callable[[Sandbox, str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then stop cleanly and return.

    Call it in the main thread: only there does Python hand signals over.

    Args:
        port: Port of the API; 0 takes a free one.
        db: SQLite file that keeps keys; None keeps them in memory.
        tier: License tier of the test key it makes.
        on_ready: Called once, when connections are taken, with the sandbox and a fresh test key.

    Raises:
        SandboxUnavailableError: The ``sandbox`` extra is not installed.
        ConfigurationError: The port, the database or the tier cannot be used.
    """
    over = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        over.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sandbox(port=port, db=db) as sandbox:
            key = sandbox.new_key(tier)
            if on_ready is not None:
                on_ready(sandbox, key)
            # On Windows a wait without an end would not hear Ctrl-C.
            while not over.wait(_LOOK_AGAIN):
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
