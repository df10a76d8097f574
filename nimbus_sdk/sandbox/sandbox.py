"""The sandbox as Python sees it: start it, make keys, break things, read what was asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Unpack

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.app.state_factory import Plan
from nimbus_sdk.sandbox.availability import unavailable
from nimbus_sdk.sandbox.github.publishing import Order, OrderFields, draft_of_wheel
from nimbus_sdk.sandbox.github.releases import Release
from nimbus_sdk.sandbox.github.wheel_cache import REFERENCE_CORE, Workshop
from nimbus_sdk.sandbox.http.faults import Fault, FaultFields
from nimbus_sdk.sandbox.http.request_log import Exchange
from nimbus_sdk.sandbox.http.times import Clock
from nimbus_sdk.sandbox.neuroai.key_fields import NeuroAiKeyFields, NewNeuroAiKey
from nimbus_sdk.sandbox.nexus.keys import NewNexusKey, NexusKeyFields
from nimbus_sdk.sandbox.nimbus_api.key_files import revoke_in
from nimbus_sdk.sandbox.nimbus_api.keys import KeyFields, NewKey
from nimbus_sdk.sandbox.nimbus_api.models import MODELS_FOLDER
from nimbus_sdk.sandbox.nimbus_os.keys import (
    Environment,
    NewNimbusOsKey,
    NimbusOsKeyFields,
    checked_environment,
)

if TYPE_CHECKING:
    from nimbus_sdk.sandbox.app.state import State, Switches


class Sandbox:
    """The Nimbus APIs and the GitHub releases of the core, on two loopback ports of this machine.

    It runs in a thread of this process, from ``start()`` to ``stop()`` or for the length of a ``with`` block.

    Args:
        port: Port of the API; 0 takes a free one. The storage host always takes a free one.
        db: SQLite file that keeps keys, quotas and audit; None keeps them in memory.
        limits: Requests a minute by endpoint of the Nimbus API, instead of the documented; None lifts one.
        wheel: The core to release first; None builds the open reference core when it is first asked for.
        clock: Tells Unix seconds; None is the system's clock.
        wheel_dir: Folder that keeps built wheels for the next process; None keeps them for this one.
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
        self._plan = Plan(
            db=None if db is None else Path(db),
            limits=limits,
            wheel=None if wheel is None else Path(wheel),
            clock=time.time if clock is None else clock,
            workshop=Workshop(
                REFERENCE_CORE if core_source is None else Path(core_source),
                None if wheel_dir is None else Path(wheel_dir),
            ),
            models_dir=MODELS_FOLDER if models_dir is None else Path(models_dir),
        )
        self._running: tuple[State, ExitStack] | None = None

    def start(self) -> None:
        """Begin to serve.

        Raises:
            SandboxUnavailableError: The ``sandbox`` extra is not installed.
            ConfigurationError: The port is taken or the database cannot be used.
        """
        if self._running is not None:
            raise ConfigurationError("This sandbox is already running.")
        try:
            from nimbus_sdk.sandbox.app.launch import launch
        except ModuleNotFoundError as fault:
            raise unavailable(fault) from fault
        self._running = launch(self._plan, self._port)

    def stop(self) -> None:
        """Cut all connections and end; a second call does nothing."""
        running, self._running = self._running, None
        if running is not None:
            running[1].close()

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
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
        """Base of the Nimbus API, such as ``http://127.0.0.1:54321``."""
        return self._state.api_url

    @property
    def github_url(self) -> str:
        """Base of the GitHub API: what stands before ``/repos/…``."""
        return self._state.github_url

    @property
    def storage_url(self) -> str:
        """Base of the storage host, where an asset's redirect leads."""
        return self._state.storage_url

    @property
    def neuroai_url(self) -> str:
        """Base of NeuroAI: what stands before ``/v1/api-keys``."""
        return f"{self.api_url}/neuroai"

    @property
    def nexus_url(self) -> str:
        """Base of Nexus: what stands before ``/api/public/thread``."""
        return f"{self.api_url}/nexus"

    def nimbus_os_url(self, environment: Environment = "sandbox") -> str:
        """Base of one environment of Nimbus OS: what stands before ``/orders``."""
        return f"{self.api_url}/nimbus-os/{checked_environment(environment)}"

    @property
    def control_token(self) -> str:
        """What the control routes ask for, as ``Authorization: Bearer …``; new at every start."""
        return self._state.control_token

    @property
    def switches(self) -> Switches:
        """What can be changed while it runs, such as ``switches.healthy = False``."""
        return self._state.switches

    @property
    def github_configured(self) -> bool:
        """Whether github-token has a token to give; set it to False for 503 NOT_CONFIGURED."""
        return self._state.switches.github_configured

    @github_configured.setter
    def github_configured(self, value: bool) -> None:
        self._state.switches.github_configured = value

    def environment(self) -> dict[str, str]:
        """The environment variables that lead the SDK to this sandbox; no key among them."""
        return {
            "NIMBUS_SDK_API_URL": self.api_url,
            "NIMBUS_SDK_GITHUB_URL": self.github_url,
            "NIMBUS_SDK_CORE_REPO": "nimbusbci/NimbusSDKCore",
        }

    def new_key(self, tier: str = "research", **fields: Unpack[KeyFields]) -> str:
        """Make a key of the Nimbus API and return it, plain, this once.

        Args:
            tier: License tier.
            **fields: The other fields of :class:`nimbus_sdk.sandbox.nimbus_api.keys.NewKey`.

        Raises:
            ConfigurationError: An unknown tier without features, or a value that no key can have.
        """
        return self._state.keys.create(NewKey(tier=tier, **fields))

    def revoke_key(self, key: str, *, reason: str | None = None) -> None:
        """Make a key, named by itself or by its fingerprint, inactive for ever.

        Raises:
            ConfigurationError: No such key is active.
        """
        revoke_in(self._state.keys, key, reason)

    def keys(self) -> list[dict[str, object]]:
        """All keys, oldest first, masked."""
        return self._state.keys.listing()

    def audit(self) -> list[dict[str, object]]:
        """All revocations with their reasons, oldest first."""
        return self._state.keys.audit()

    def new_nimbus_os_key(self, **fields: Unpack[NimbusOsKeyFields]) -> str:
        """Make a Nimbus OS key and return it, plain, this once.

        Args:
            **fields: The fields of :class:`nimbus_sdk.sandbox.nimbus_os.keys.NewNimbusOsKey`.

        Raises:
            ConfigurationError: There is no such environment or permission.
        """
        return self._state.nimbus_os.create(NewNimbusOsKey(**fields))

    def revoke_nimbus_os_key(self, key: str) -> None:
        """Make a Nimbus OS key stop working at once; ConfigurationError where it does not work now."""
        self._state.nimbus_os.revoke(key)

    def new_neuroai_key(self, **fields: Unpack[NeuroAiKeyFields]) -> str:
        """Make a NeuroAI key and return its secret, plain, this once.

        Args:
            **fields: The fields of :class:`nimbus_sdk.sandbox.neuroai.key_fields.NewNeuroAiKey`.

        Raises:
            ConfigurationError: No key can be such.
        """
        wanted = NewNeuroAiKey(**fields)
        return self._state.neuroai.create(wanted.traits(), wanted.user, None)[1]

    def revoke_neuroai_key(self, key: str) -> None:
        """End a NeuroAI key, named by its secret or its id; ConfigurationError where there is none."""
        self._state.neuroai.revoke(key)

    def deactivate_neuroai_user(self, user: str) -> None:
        """Deactivate an account of NeuroAI: its personal keys end with it."""
        self._state.neuroai.deactivate(user)

    def new_nexus_key(self, **fields: Unpack[NexusKeyFields]) -> str:
        """Make a Nexus key, a JWT, and return it, plain, this once.

        Args:
            **fields: The fields of :class:`nimbus_sdk.sandbox.nexus.keys.NewNexusKey`.

        Raises:
            ConfigurationError: An id or a permission that is no such thing.
        """
        return self._state.nexus.create(NewNexusKey(**fields))

    def revoke_nexus_key(self, key: str) -> None:
        """Make a Nexus key stop working at once; ConfigurationError where it does not work now."""
        self._state.nexus.revoke(key)

    def disable_nexus(self, name: str) -> None:
        """Switch a Nexus integration or agent off, by its id: its keys are refused with 403."""
        self._state.nexus.disable(name)

    def enable_nexus(self, name: str) -> None:
        """Switch a Nexus integration or agent on again."""
        self._state.nexus.enable(name)

    def revoke_tokens(self) -> None:
        """Kill all GitHub tokens at once."""
        self._state.tokens.revoke_all()

    def fault(self, endpoint: str, **fields: Unpack[FaultFields]) -> None:
        """Make an endpoint fail; faults of one endpoint strike in the order in which they were set.

        Args:
            endpoint: Its name, as in the journal.
            **fields: What goes wrong: the fields of :class:`nimbus_sdk.sandbox.Fault`.

        Raises:
            ConfigurationError: There is no such endpoint, or the fault makes no sense.
        """
        self._state.faults.add(Fault(endpoint=endpoint, **fields))

    def clear_faults(self) -> None:
        """Forget all faults that have not struck yet."""
        self._state.faults.clear()

    def journal(self) -> list[Exchange]:
        """What was asked so far, in order of arrival, secrets masked; the control plane is not in it."""
        return self._state.journal.exchanges()

    def clear_journal(self) -> None:
        """Forget what was asked so far."""
        self._state.journal.clear()

    def publish(self, version: str = "0.2.0", **fields: Unpack[OrderFields]) -> Release:
        """Release another version of the core, the latest from then on.

        Args:
            version: The core's version; a release of the same one is replaced.
            **fields: The other fields of :class:`nimbus_sdk.sandbox.github.publishing.Order`.
        """
        order = Order(version=version, **fields)
        return self._state.releases.publish(order.draft(self._plan.workshop))

    def publish_wheel(self, wheel: Path, *, digest: bool = True, sums: bool = True) -> Release:
        """Release one wheel as it is, whole or not; its file name tells the version."""
        return self._state.releases.publish(draft_of_wheel(wheel, digest=digest, sums=sums))
