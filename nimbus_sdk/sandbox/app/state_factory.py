"""Puts the parts of one sandbox together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nimbus_sdk.sandbox.github.publishing import draft_of_wheel, first_draft
from nimbus_sdk.sandbox.github.releases import Draft, Releases
from nimbus_sdk.sandbox.github.tokens import GithubTokens
from nimbus_sdk.sandbox.github.wheel_cache import Workshop
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.faults import FaultBook
from nimbus_sdk.sandbox.http.rate_limits import Limits
from nimbus_sdk.sandbox.http.request_log import Journal
from nimbus_sdk.sandbox.http.times import Clock
from nimbus_sdk.sandbox.neuroai.audit import NeuroAiAudit
from nimbus_sdk.sandbox.neuroai.keys import NeuroAiKeys
from nimbus_sdk.sandbox.nexus.keys import NexusKeys
from nimbus_sdk.sandbox.nimbus_api.keys import LicenseKeys
from nimbus_sdk.sandbox.nimbus_api.models import read_models
from nimbus_sdk.sandbox.nimbus_os.keys import NimbusOsKeys
from nimbus_sdk.sandbox.nimbus_os.orders import NimbusOsOrders

if TYPE_CHECKING:
    from nimbus_sdk.sandbox.app.state import State


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sandbox is made from; the fields are the arguments of ``Sandbox``."""

    db: Path | None
    limits: Mapping[str, int | None] | None
    wheel: Path | None
    clock: Clock
    workshop: Workshop
    models_dir: Path


def assemble(plan: Plan, api_url: str, storage_url: str, folder: Path) -> State:
    """The state of a sandbox that answers at these addresses.

    Args:
        plan: What to make it from.
        api_url: Base of the API.
        storage_url: Base of the storage host.
        folder: Scratch space for as long as the sandbox runs.
    """
    from nimbus_sdk.sandbox.app.state import State
    from nimbus_sdk.sandbox.neuroai.access import NeuroAiRates
    from nimbus_sdk.sandbox.neuroai.agents import NeuroAiAgents

    models = read_models(plan.models_dir)
    database = Database(plan.db)

    def first() -> Draft:
        return first_draft(plan.workshop) if plan.wheel is None else draft_of_wheel(plan.wheel)

    return State(
        clock=plan.clock,
        database=database,
        keys=LicenseKeys(database, plan.clock),
        tokens=GithubTokens(database, plan.clock),
        limits=Limits(plan.clock, plan.limits),
        faults=FaultBook(),
        journal=Journal(),
        releases=Releases(first, folder, plan.clock),
        models=models,
        workshop=plan.workshop,
        nimbus_os=NimbusOsKeys(database, plan.clock),
        nimbus_os_orders=NimbusOsOrders(plan.clock),
        neuroai=NeuroAiKeys(database, plan.clock),
        neuroai_agents=NeuroAiAgents(),
        neuroai_audit=NeuroAiAudit(database, plan.clock),
        neuroai_rates=NeuroAiRates(plan.clock),
        nexus=NexusKeys(database, plan.clock),
        api_url=api_url,
        storage_url=storage_url,
    )
