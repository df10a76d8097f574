"""Puts a planned sandbox on its two ports, and takes it off again."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.app.state_factory import Plan, assemble
from nimbus_sdk.sandbox.availability import unavailable


def launch(plan: Plan, port: int) -> tuple[State, ExitStack]:
    """Serve: the state of what runs now, and what to close to end it.

    Args:
        plan: What to make the sandbox from.
        port: Port of the API; 0 takes a free one.

    Raises:
        SandboxUnavailableError: The ``sandbox`` extra is not installed.
        ConfigurationError: The port is taken or the database cannot be used.
    """
    try:
        # Needed when a Nexus key is made; a missing package is reported at the start.
        import jwt  # noqa: F401

        from nimbus_sdk.sandbox.app.routes import main_application, storage_application
        from nimbus_sdk.sandbox.http.listener import Listener, bound, url
    except ModuleNotFoundError as fault:
        raise unavailable(fault) from fault
    with ExitStack() as stack:
        main, storage = bound(port), bound(0)
        stack.callback(main.close)
        stack.callback(storage.close)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nimbus-sandbox-"))
        state = assemble(plan, url(main), url(storage), Path(folder))
        stack.callback(state.database.close)
        listener = Listener({main: main_application(state), storage: storage_application(state)})
        stack.callback(listener.stop)
        listener.start()
        return state, stack.pop_all()
