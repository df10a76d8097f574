"""Ending with a clean-up."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import pytest

from nimbus_sdk.cli.ui.signals import exit_on_signals


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_becomes_an_exception_inside_the_block(name: str) -> None:
    """The block releases what it has, the exit code is that of shells, and the handler is restored."""
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip(f"this system has no {name}")
    before, released = signal.getsignal(number), []

    def work() -> None:
        with exit_on_signals(), ExitStack() as cleanup:
            cleanup.callback(released.append, name)
            signal.raise_signal(number)

    with pytest.raises(SystemExit) as ended:
        work()
    assert (ended.value.code, released) == (128 + number, [name])
    assert signal.getsignal(number) is before
