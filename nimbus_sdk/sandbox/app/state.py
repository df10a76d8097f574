"""The services of one sandbox, and what they share."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from nimbus_sdk.sandbox.github.releases import Releases
from nimbus_sdk.sandbox.github.routes import REPOSITORY, GitHub
from nimbus_sdk.sandbox.github.wheel_cache import WheelCache
from nimbus_sdk.sandbox.http.database import Clock, Database
from nimbus_sdk.sandbox.http.faults import FaultQueues, Switches
from nimbus_sdk.sandbox.http.request_log import RequestLog
from nimbus_sdk.sandbox.http.requests import ServiceRoute
from nimbus_sdk.sandbox.neuroai.routes import NeuroAi
from nimbus_sdk.sandbox.nexus import Nexus
from nimbus_sdk.sandbox.nimbus_api.routes import NIMBUS_API_ERRORS, NimbusApi, read_models
from nimbus_sdk.sandbox.nimbus_os import NimbusOs


class State:
    """The services of a running sandbox: from the arguments of ``Sandbox``, two ports and a folder."""

    def __init__(
        self,
        *,
        db: Path | None,
        limits: Mapping[str, int | None] | None,
        wheel: Path | None,
        clock: Clock,
        wheel_cache: WheelCache,
        models_dir: Path,
        api_url: str,
        storage_url: str,
        folder: Path,
    ) -> None:
        models = read_models(models_dir, api_url)
        self.database = Database(db, clock)
        self.api_url = api_url
        self.storage_url = storage_url
        self.control_token = secrets.token_urlsafe(24)
        self.switches = Switches()
        self.log = RequestLog()
        self.faults = FaultQueues()
        self.github = GitHub(
            self.database,
            self.switches,
            Releases(wheel_cache, wheel, folder, clock),
            url=f"{api_url}/github",
            storage_url=storage_url,
        )
        self.nimbus_api = NimbusApi(
            self.database, self.switches, limits=limits, models=models, issue_token=self.github.issue_token
        )
        self.nimbus_os = NimbusOs(self.database)
        self.neuroai = NeuroAi(self.database, self.switches)
        self.nexus = Nexus(self.database)
        self.unknown_route = ServiceRoute(
            "", "unknown", self.nimbus_api.reject_unknown_path, NIMBUS_API_ERRORS
        )

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point the SDK to this sandbox, without a key."""
        return {
            "NIMBUS_SDK_API_URL": self.api_url,
            "NIMBUS_SDK_GITHUB_URL": self.github.url,
            "NIMBUS_SDK_CORE_REPO": REPOSITORY,
        }

    def api_routes(self) -> list[ServiceRoute]:
        """Return the routes of the first port."""
        services = (self.nimbus_api, self.github, self.nimbus_os, self.neuroai, self.nexus)
        return [route for service in services for route in service.routes()]
