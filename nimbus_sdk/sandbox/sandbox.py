"""The sandbox as Python sees it: start it, make keys, break things, read what was asked."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Unpack

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.assembly import Plan, assemble
from nimbus_sdk.sandbox.availability import unavailable
from nimbus_sdk.sandbox.faults import Fault, FaultFields
from nimbus_sdk.sandbox.journal import Exchange
from nimbus_sdk.sandbox.key_files import revoke_in
from nimbus_sdk.sandbox.models import MODELS_FOLDER
from nimbus_sdk.sandbox.new_keys import Kind, NewKey
from nimbus_sdk.sandbox.ports import bound, url
from nimbus_sdk.sandbox.publishing import Order, draft_of_wheel
from nimbus_sdk.sandbox.releases import Release
from nimbus_sdk.sandbox.state import REPOSITORY, State, Switches
from nimbus_sdk.sandbox.times import Clock
from nimbus_sdk.sandbox.workshop import REFERENCE_CORE, Workshop


class Sandbox:
    """A Nimbus API with its GitHub releases, on two loopback ports of this machine.

    It runs in a thread of this process, from ``start()`` to ``stop()`` or for the length of a ``with`` block.

    Args:
        port: Port of the API; 0 takes a free one. The storage host always takes a free one.
        db: SQLite file that keeps keys, quotas and audit; None keeps them in memory.
        limits: Requests a minute by endpoint, in place of the documented ones; None lifts a limit.
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
            from nimbus_sdk.sandbox.application import main_application, storage_application
            from nimbus_sdk.sandbox.listener import Listener
        except ModuleNotFoundError as fault:
            raise unavailable(fault) from fault
        with ExitStack() as stack:
            main, storage = bound(self._port), bound(0)
            stack.callback(main.close)
            stack.callback(storage.close)
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nimbus-sandbox-"))
            state = assemble(self._plan, url(main), url(storage), Path(folder))
            stack.callback(state.database.close)
            listener = Listener({main: main_application(state), storage: storage_application(state)})
            stack.callback(listener.stop)
            listener.start()
            self._running = state, stack.pop_all()

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
            "NIMBUS_SDK_CORE_REPO": REPOSITORY,
        }

    def new_key(
        self,
        tier: str = "research",
        *,
        kind: Kind = "test",
        expires_at: datetime | None = None,
        used: int = 0,
        monthly_limit: int | None = None,
        features: Collection[str] | None = None,
        email: str = "researcher@university.edu",
        name: str | None = "Dr. Jane Smith",
        organization: str | None = "Neuroscience Lab",
        user_id: str | None = None,
        block_when_exhausted: Collection[str] = ("analytics",),
    ) -> str:
        """Make a key and return it, plain, this once.

        The arguments are the fields of :class:`nimbus_sdk.sandbox.new_keys.NewKey`.

        Raises:
            ConfigurationError: An unknown tier without features, or a value that no key can have.
        """
        wanted = NewKey(
            tier=tier,
            kind=kind,
            expires_at=expires_at,
            used=used,
            monthly_limit=monthly_limit,
            features=features,
            email=email,
            name=name,
            organization=organization,
            user_id=user_id,
            block_when_exhausted=block_when_exhausted,
        )
        return self._state.keys.create(wanted)

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

    def revoke_tokens(self) -> None:
        """Kill all GitHub tokens at once."""
        self._state.tokens.revoke_all()

    def fault(self, endpoint: str, **fields: Unpack[FaultFields]) -> None:
        """Make an endpoint fail, ``times`` times, once ``after`` requests have passed.

        Faults of one endpoint strike one after the other, in the order in which they were set.

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

    def publish(
        self,
        version: str = "0.2.0",
        *,
        padding: int = 0,
        broken: bool = False,
        digest: bool = True,
        sums: bool = True,
        tags: Sequence[str] = (),
        requires: Sequence[str] = (),
        requires_python: str | None = None,
    ) -> Release:
        """Release another version of the core, the latest from then on.

        The arguments are the fields of :class:`nimbus_sdk.sandbox.publishing.Order`. A release of the same
        version is replaced.
        """
        order = Order(
            version=version,
            padding=padding,
            broken=broken,
            digest=digest,
            sums=sums,
            tags=tags,
            requires=requires,
            requires_python=requires_python,
        )
        return self._state.releases.publish(order.draft(self._plan.workshop))

    def publish_wheel(self, wheel: Path, *, digest: bool = True, sums: bool = True) -> Release:
        """Release one wheel as it is, whole or not; its file name tells the version."""
        return self._state.releases.publish(draft_of_wheel(wheel, digest=digest, sums=sums))
