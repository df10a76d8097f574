"""Handle signals inside a block: clean up before the process ends, also if the terminal is closed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Turn SIGTERM and a closed terminal into ``SystemExit`` inside the block, so that it cleans up."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with handle_signals(dict.fromkeys(("SIGTERM", "SIGHUP", "SIGBREAK"), end)):
        yield


@contextmanager
def handle_signals(
    handlers: dict[str, Callable[[int, FrameType | None], object] | signal.Handlers],
) -> Iterator[None]:
    """Handle those of some signals, by their names, that this system has."""
    numbers = {getattr(signal, name): handler for name, handler in handlers.items() if hasattr(signal, name)}
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
