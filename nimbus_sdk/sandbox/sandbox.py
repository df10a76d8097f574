"""The sandbox for Python: start it, create keys, set faults, read the request log."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, TracebackType
from typing import Unpack

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.app.state import Config, State
from nimbus_sdk.sandbox.availability import unavailable_error
from nimbus_sdk.sandbox.github.publishing import PublishOptions, draft_from_wheel, draft_release
from nimbus_sdk.sandbox.github.releases import Release
from nimbus_sdk.sandbox.github.wheel_cache import REFERENCE_CORE, WheelCache
from nimbus_sdk.sandbox.http.faults import Fault, FaultOptions, Switches
from nimbus_sdk.sandbox.http.request_log import Exchange
from nimbus_sdk.sandbox.http.times import Clock
from nimbus_sdk.sandbox.neuroai.keys import NeuroAiKeyOptions
from nimbus_sdk.sandbox.nexus.keys import NexusKeyOptions
from nimbus_sdk.sandbox.nimbus_api.keys import LicenseKeyOptions
from nimbus_sdk.sandbox.nimbus_os.keys import Environment, NimbusOsKeyOptions, require_environment

_SIGNAL_POLL = 0.5


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

    Example:
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
        self._config = Config(
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
        self._running = launch(self._config, self._port)

    def stop(self) -> None:
        """Cut all connections and stop; a second call does nothing."""
        running, self._running = self._running, None
        if running is not None:
            running[1].close()

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point the SDK to this sandbox, without a key."""
        return {
            "NIMBUS_SDK_API_URL": self.api_url,
            "NIMBUS_SDK_GITHUB_URL": self.github_url,
            "NIMBUS_SDK_CORE_REPO": "nimbusbci/NimbusSDKCore",
        }

    def new_key(self, tier: str = "research", **options: Unpack[LicenseKeyOptions]) -> str:
        """Create a key of the Nimbus API and return it in plain; it cannot be read later.

        Args:
            tier: License tier.
            **options: The other arguments of :meth:`nimbus_sdk.sandbox.nimbus_api.keys.LicenseKeys.create`.

        Raises:
            ConfigurationError: An unknown tier without features, or an invalid value.
        """
        return self._state.nimbus_api.keys.create(tier, **options)

    def revoke_key(self, key: str, *, reason: str | None = None) -> None:
        """Revoke a key, given as the key or its fingerprint, for ever.

        Raises:
            ConfigurationError: No such key is active.
        """
        self._state.nimbus_api.keys.revoke(key, reason=reason)

    def keys(self) -> list[dict[str, object]]:
        """Return all keys, oldest first, masked."""
        return self._state.nimbus_api.keys.list_all()

    def audit(self) -> list[dict[str, object]]:
        """Return all revocations with their reasons, oldest first."""
        return self._state.nimbus_api.keys.audit()

    def new_nimbus_os_key(self, **options: Unpack[NimbusOsKeyOptions]) -> str:
        """Create a Nimbus OS key and return it in plain; it cannot be read later.

        Args:
            **options: The arguments of :meth:`nimbus_sdk.sandbox.nimbus_os.keys.NimbusOsKeys.create`.

        Raises:
            ConfigurationError: There is no such environment or permission.
        """
        return self._state.nimbus_os.keys.create(**options)

    def revoke_nimbus_os_key(self, key: str) -> None:
        """Revoke a Nimbus OS key at once; raise ConfigurationError if no such key is active."""
        self._state.nimbus_os.keys.store.revoke(key)

    def new_neuroai_key(self, **options: Unpack[NeuroAiKeyOptions]) -> str:
        """Create a NeuroAI key and return its secret in plain; it cannot be read later.

        Args:
            **options: The arguments of :meth:`nimbus_sdk.sandbox.neuroai.keys.NeuroAiKeys.create`.

        Raises:
            ConfigurationError: An option is invalid.
        """
        return self._state.neuroai.keys.create(**options)

    def revoke_neuroai_key(self, key: str) -> None:
        """Delete a NeuroAI key by its secret or its id; raise ConfigurationError if there is none."""
        self._state.neuroai.keys.store.revoke(key)

    def deactivate_neuroai_user(self, user: str) -> None:
        """Deactivate an account of NeuroAI and delete its personal keys."""
        self._state.neuroai.keys.deactivate_user(user)

    def new_nexus_key(self, **options: Unpack[NexusKeyOptions]) -> str:
        """Create a Nexus key, a JWT, and return it in plain; it cannot be read later.

        Args:
            **options: The arguments of :meth:`nimbus_sdk.sandbox.nexus.keys.NexusKeys.create`.

        Raises:
            ConfigurationError: An id or a permission is invalid.
        """
        return self._state.nexus.keys.create(**options)

    def revoke_nexus_key(self, key: str) -> None:
        """Revoke a Nexus key at once; raise ConfigurationError if no such key is active."""
        self._state.nexus.keys.store.revoke(key)

    def disable_nexus(self, name: str) -> None:
        """Disable a Nexus integration or agent by its id: its keys are refused with 403."""
        self._state.nexus.keys.disable(name)

    def enable_nexus(self, name: str) -> None:
        """Enable a Nexus integration or agent again."""
        self._state.nexus.keys.enable(name)

    def revoke_tokens(self) -> None:
        """Revoke all GitHub tokens at once."""
        self._state.github.tokens.revoke_all()

    def fault(self, endpoint: str, **options: Unpack[FaultOptions]) -> None:
        """Make an endpoint fail; faults of one endpoint take effect in the order in which they were set.

        Args:
            endpoint: Name of the endpoint, as in the journal.
            **options: What goes wrong: the other fields of :class:`nimbus_sdk.sandbox.Fault`.

        Raises:
            ConfigurationError: There is no such endpoint, or the fault is invalid.
        """
        self._state.faults.add(Fault(endpoint=endpoint, **options))

    def clear_faults(self) -> None:
        """Remove all faults to come."""
        self._state.faults.clear()

    def journal(self) -> list[Exchange]:
        """Return the requests so far, in order, secrets masked; without those to the control plane."""
        return self._state.log.exchanges()

    def clear_journal(self) -> None:
        """Remove the requests so far."""
        self._state.log.clear()

    def publish(self, version: str = "0.2.0", **options: Unpack[PublishOptions]) -> Release:
        """Release another version of the core, as the latest.

        Args:
            version: The core's version; a release of the same version is replaced.
            **options: The other arguments of :func:`nimbus_sdk.sandbox.github.publishing.draft_release`.
        """
        draft = draft_release(self._config.wheel_cache, version, **options)
        return self._state.github.releases.publish(draft)

    def publish_wheel(self, wheel: Path, *, digest: bool = True, sums: bool = True) -> Release:
        """Release one wheel as it is, valid or not; the version is that of its file name."""
        return self._state.github.releases.publish(draft_from_wheel(wheel, digest=digest, sums=sums))


def serve(
    port: int = 0,
    db: Path | None = None,
    tier: str = "research",
    on_ready: Callable[[Sandbox, str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then stop and return.

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

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
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
