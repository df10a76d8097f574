"""Puts the parts of one sandbox together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nimbus_sdk.sandbox.database import Database
from nimbus_sdk.sandbox.faults import FaultBook
from nimbus_sdk.sandbox.github_tokens import GithubTokens
from nimbus_sdk.sandbox.journal import Journal
from nimbus_sdk.sandbox.license_keys import LicenseKeys
from nimbus_sdk.sandbox.limits import Limits
from nimbus_sdk.sandbox.models import read_models
from nimbus_sdk.sandbox.neuroai_agents import NeuroAiAgents
from nimbus_sdk.sandbox.neuroai_audit import NeuroAiAudit
from nimbus_sdk.sandbox.neuroai_keys import NeuroAiKeys
from nimbus_sdk.sandbox.neuroai_rates import NeuroAiRates
from nimbus_sdk.sandbox.nexus_keys import NexusKeys
from nimbus_sdk.sandbox.nimbus_os_keys import NimbusOsKeys
from nimbus_sdk.sandbox.nimbus_os_orders import NimbusOsOrders
from nimbus_sdk.sandbox.publishing import draft_of_wheel, first_draft
from nimbus_sdk.sandbox.releases import Draft, Releases
from nimbus_sdk.sandbox.state import State
from nimbus_sdk.sandbox.times import Clock
from nimbus_sdk.sandbox.workshop import Workshop


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
