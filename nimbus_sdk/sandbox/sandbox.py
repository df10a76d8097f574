"""The sandbox for Python: start it, create keys, set faults, read the request log."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial, wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.availability import unavailable_error
from nimbus_sdk.sandbox.github.releases import Releases
from nimbus_sdk.sandbox.github.routes import GitHub
from nimbus_sdk.sandbox.github.wheel_cache import REFERENCE_CORE, WheelCache
from nimbus_sdk.sandbox.http.database import Clock, KeyStore
from nimbus_sdk.sandbox.http.faults import Fault, FaultQueues, Switches
from nimbus_sdk.sandbox.http.request_log import RequestLog
from nimbus_sdk.sandbox.neuroai.keys import NeuroAiKeys
from nimbus_sdk.sandbox.nexus import Nexus
from nimbus_sdk.sandbox.nimbus_api.keys import LicenseKeys
from nimbus_sdk.sandbox.nimbus_os import Environment, NimbusOs, require_environment

_SIGNAL_POLL = 0.5
_END_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


def _forward(
    find: Callable[[State], S], method: Callable[Concatenate[S, P], T]
) -> Callable[Concatenate[Sandbox, P], T]:
    """Return the method of a sandbox that calls a method of one of its parts."""

    @wraps(method)
    def forward(sandbox: Sandbox, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(find(sandbox._state), *args, **kwargs)

    return forward


def _add_fault(make: Callable[P, Fault]) -> Callable[Concatenate[Sandbox, P], None]:
    """Return the method of a sandbox that makes a fault, and adds it to the queue of its endpoint."""

    @wraps(Fault.__init__)
    def fault(sandbox: Sandbox, /, *args: P.args, **kwargs: P.kwargs) -> None:
        sandbox._state.faults.add(make(*args, **kwargs))

    fault.__doc__ = Fault.__doc__
    return fault


class Sandbox:
    """The Nimbus APIs and the GitHub releases of the core, on two loopback ports of this machine.

    It runs in a thread of this process, from ``start()`` to ``stop()`` or inside a ``with`` block.

    Args:
        port: Port of the API; 0 takes a free one.
        db: SQLite file for keys, quotas and audit; None is a database in memory.
        limits: Requests a minute by endpoint of the Nimbus API, instead of the documented ones; None removes
            a limit.
        wheel: The core to release first; None builds the open reference core when it is first needed.
        clock: Returns Unix seconds; None is the system's clock.
        wheel_dir: Folder for built wheels, which later processes use too; None is a temporary one.
        core_source: Sources of the core to build; None is the open reference core.
        models_dir: Folder with ``registry.json`` and model files; None is the reference core's.

    Examples:
        >>> import httpx
        >>> with Sandbox() as sandbox:
        ...     sandbox.fault("health", status=502)
        ...     answers = [httpx.get(f"{sandbox.api_url}/api/health").status_code for _ in range(2)]
        ...     asked = [exchange.endpoint for exchange in sandbox.journal()]
        >>> answers, asked
        ([502, 200], ['health', 'health'])
    """

    def __init__(
        self,
        port: int = 0,
        db: Path | str | None = None,
        limits: Mapping[str, int | None] | None = None,
        wheel: Path | str | None = None,
        clock: Clock | None = None,
        *,
        wheel_dir: Path | str | None = None,
        core_source: Path | str | None = None,
        models_dir: Path | str | None = None,
    ) -> None:
        self._port = port
        self._new_state = partial(
            State,
            db=None if db is None else Path(db),
            limits=limits,
            wheel=None if wheel is None else Path(wheel),
            clock=time.time if clock is None else clock,
            wheel_cache=WheelCache(
                REFERENCE_CORE if core_source is None else Path(core_source),
                None if wheel_dir is None else Path(wheel_dir),
            ),
            models_dir=REFERENCE_CORE / "models" if models_dir is None else Path(models_dir),
        )
        self._running: tuple[State, ExitStack] | None = None

    def start(self) -> None:
        """Start serving.

        Raises:
            SandboxUnavailableError: The ``sandbox`` extra is not installed.
            ConfigurationError: The port is taken or the database is invalid.
        """
        if self._running is not None:
            raise ConfigurationError("This sandbox is already running.")
        try:
            from nimbus_sdk.sandbox.app.launch import launch
        except ModuleNotFoundError as error:
            raise unavailable_error(error) from error
        self._running = launch(self._new_state, self._port)

    def stop(self) -> None:
        """Cut all connections and stop; a second call does nothing."""
        running, self._running = self._running, None
        if running is not None:
            running[1].close()

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _state(self) -> State:
        if self._running is None:
            raise ConfigurationError(
                "The sandbox is not running.", hint="Use it as `with Sandbox() as sandbox:`."
            )
        return self._running[0]

    @property
    def api_url(self) -> str:
        """Base URL of the Nimbus API, such as ``http://127.0.0.1:54321``."""
        return self._state.api_url

    @property
    def page_url(self) -> str:
        """Address of the page for a browser; the control token is after the ``#``, which no server gets."""
        return f"{self.api_url}/#{self.control_token}"

    @property
    def github_url(self) -> str:
        """Base URL of the GitHub API, before ``/repos/…``."""
        return self._state.github.url

    @property
    def storage_url(self) -> str:
        """Base URL of the storage host, to which an asset redirects."""
        return self._state.storage_url

    @property
    def neuroai_url(self) -> str:
        """Base URL of NeuroAI, before ``/v1/api-keys``."""
        return f"{self.api_url}/neuroai"

    @property
    def nexus_url(self) -> str:
        """Base URL of Nexus, before ``/api/public/thread``."""
        return f"{self.api_url}/nexus"

    def nimbus_os_url(self, environment: Environment = "sandbox") -> str:
        """Return the base URL of one environment of Nimbus OS, before ``/orders``."""
        require_environment(environment)
        return f"{self.api_url}/nimbus-os/{environment}"

    @property
    def control_token(self) -> str:
        """Token of the control routes, for ``Authorization: Bearer …``; new at every start."""
        return self._state.control_token

    @property
    def switches(self) -> Switches:
        """Settings that can be changed while it runs, such as ``switches.healthy = False``."""
        return self._state.switches

    @property
    def github_configured(self) -> bool:
        """Whether the API can issue GitHub tokens; False makes github_token answer 503 NOT_CONFIGURED."""
        return self._state.switches.github_configured

    @github_configured.setter
    def github_configured(self, value: bool) -> None:
        self._state.switches.github_configured = value

    environment = _forward(lambda state: state, State.environment)

    new_key = _forward(lambda state: state.nimbus_api.keys, LicenseKeys.create)
    revoke_key = _forward(lambda state: state.nimbus_api.keys, LicenseKeys.revoke)
    keys = _forward(lambda state: state.nimbus_api.keys, LicenseKeys.list_all)
    audit = _forward(lambda state: state.nimbus_api.keys, LicenseKeys.audit)
    revoke_tokens = _forward(lambda state: state.github, GitHub.revoke_tokens)

    new_nimbus_os_key = _forward(lambda state: state.nimbus_os, NimbusOs.create_key)
    revoke_nimbus_os_key = _forward(lambda state: state.nimbus_os.keys, KeyStore.revoke)

    new_neuroai_key = _forward(lambda state: state.neuroai.keys, NeuroAiKeys.create)
    revoke_neuroai_key = _forward(lambda state: state.neuroai.keys.store, KeyStore.revoke)
    deactivate_neuroai_user = _forward(lambda state: state.neuroai.keys, NeuroAiKeys.deactivate_user)

    new_nexus_key = _forward(lambda state: state.nexus, Nexus.create_key)
    revoke_nexus_key = _forward(lambda state: state.nexus.keys, KeyStore.revoke)
    disable_nexus = _forward(lambda state: state.nexus, Nexus.disable)
    enable_nexus = _forward(lambda state: state.nexus, Nexus.enable)

    fault = _add_fault(Fault)
    clear_faults = _forward(lambda state: state.faults, FaultQueues.clear)
    journal = _forward(lambda state: state.log, RequestLog.exchanges)
    clear_journal = _forward(lambda state: state.log, RequestLog.clear)

    publish = _forward(lambda state: state.github.releases, Releases.publish)
    publish_wheel = _forward(lambda state: state.github.releases, Releases.publish_wheel)


def serve(
    port: int = 0,
    db: Path | None = None,
    tier: str = "research",
    on_ready: Callable[[Sandbox, str], None] | None = None,
) -> None:
    """Serve until Ctrl-C, Ctrl-Break, SIGTERM or the end of the terminal, then stop and return.

    Call it in the main thread: Python handles signals only there.

    Args:
        port: Port of the API; 0 takes a free one.
        db: SQLite file for keys; None is a database in memory.
        tier: License tier of the test key that it creates.
        on_ready: Called once, when connections are accepted, with the sandbox and a new test key.

    Raises:
        SandboxUnavailableError: The ``sandbox`` extra is not installed.
        ConfigurationError: The port, the database or the tier is invalid.
    """
    stopping = threading.Event()
    numbers = [getattr(signal, name) for name in _END_SIGNALS if hasattr(signal, name)]
    handlers = {number: signal.signal(number, lambda *_: stopping.set()) for number in numbers}
    try:
        with Sandbox(port=port, db=db) as sandbox:
            key = sandbox.new_key(tier)
            if on_ready is not None:
                on_ready(sandbox, key)
            # On Windows, Ctrl-C does not interrupt a wait without a timeout.
            while not stopping.wait(_SIGNAL_POLL):
                pass
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
