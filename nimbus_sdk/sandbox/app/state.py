"""Everything one sandbox holds, in one place that its routes are given."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from nimbus_sdk.sandbox.github.releases import Releases
from nimbus_sdk.sandbox.github.tokens import GithubTokens
from nimbus_sdk.sandbox.github.wheel_cache import Workshop
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.faults import FaultBook
from nimbus_sdk.sandbox.http.rate_limits import Limits
from nimbus_sdk.sandbox.http.request_log import Journal
from nimbus_sdk.sandbox.http.times import Clock
from nimbus_sdk.sandbox.neuroai.access import NeuroAiRates
from nimbus_sdk.sandbox.neuroai.agents import NeuroAiAgents
from nimbus_sdk.sandbox.neuroai.audit import NeuroAiAudit
from nimbus_sdk.sandbox.neuroai.keys import NeuroAiKeys
from nimbus_sdk.sandbox.nexus.keys import NexusKeys
from nimbus_sdk.sandbox.nimbus_api.keys import LicenseKeys
from nimbus_sdk.sandbox.nimbus_api.models import Model
from nimbus_sdk.sandbox.nimbus_os.keys import NimbusOsKeys
from nimbus_sdk.sandbox.nimbus_os.orders import NimbusOsOrders

REPOSITORY = "nimbusbci/NimbusSDKCore"


@dataclass(slots=True)
class Switches:
    """What can be changed while the sandbox runs.

    Attributes:
        github_configured: False makes github-token answer 503 NOT_CONFIGURED.
        healthy: False makes health answer 503.
        token_lifetime: Seconds a GitHub token lives; None is for ever.
        link_lifetime: Seconds the signed link to an asset's bytes lives.
        neuroai_camel_case: True makes NeuroAI spell names in its answers in camelCase.
    """

    github_configured: bool = True
    healthy: bool = True
    token_lifetime: float | None = 3600.0
    link_lifetime: float = 300.0
    neuroai_camel_case: bool = False


@dataclass(slots=True)
class State:
    """The parts of one sandbox, and the addresses it answers at."""

    clock: Clock
    database: Database
    keys: LicenseKeys
    tokens: GithubTokens
    limits: Limits
    faults: FaultBook
    journal: Journal
    releases: Releases
    models: tuple[Model, ...]
    workshop: Workshop
    nimbus_os: NimbusOsKeys
    nimbus_os_orders: NimbusOsOrders
    neuroai: NeuroAiKeys
    neuroai_agents: NeuroAiAgents
    neuroai_audit: NeuroAiAudit
    neuroai_rates: NeuroAiRates
    nexus: NexusKeys
    api_url: str
    storage_url: str
    switches: Switches = field(default_factory=Switches)
    control_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    link_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def github_url(self) -> str:
        """Base of the GitHub routes."""
        return f"{self.api_url}/github"
