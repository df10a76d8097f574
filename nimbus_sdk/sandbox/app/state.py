"""The services of one sandbox, and what they share."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from nimbus_sdk.sandbox.github.releases import Releases
from nimbus_sdk.sandbox.github.routes import REPOSITORY, GitHub, github_error
from nimbus_sdk.sandbox.github.storage_routes import STORAGE_PATH
from nimbus_sdk.sandbox.github.wheel_cache import WheelCache
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.faults import FaultQueues, Switches
from nimbus_sdk.sandbox.http.request_log import RequestLog
from nimbus_sdk.sandbox.http.requests import Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import Response
from nimbus_sdk.sandbox.http.times import Clock
from nimbus_sdk.sandbox.neuroai.routes import NeuroAi
from nimbus_sdk.sandbox.nexus.routes import Nexus
from nimbus_sdk.sandbox.nimbus_api.models import read_models
from nimbus_sdk.sandbox.nimbus_api.routes import NIMBUS_API_ERRORS, NimbusApi
from nimbus_sdk.sandbox.nimbus_os.routes import NimbusOs


class State:
    """The services of a running sandbox, built from the arguments of ``Sandbox`` and what launching adds.

    Args:
        api_url: Base URL of the first port.
        storage_url: Base URL of the second port.
        folder: Temporary folder while the sandbox runs.
    """

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
        models = read_models(models_dir)
        self.clock = clock
        self.database = database = Database(db)
        self.api_url = api_url
        self.storage_url = storage_url
        self.control_token = secrets.token_urlsafe(24)
        self.switches = Switches()
        self.log = RequestLog()
        self.github = GitHub(
            database,
            clock,
            self.switches,
            releases=Releases(wheel_cache, wheel, folder, clock),
            url=f"{api_url}/github",
            storage_url=storage_url,
        )
        self.nimbus_api = NimbusApi(
            database,
            clock,
            self.switches,
            limits=limits,
            models=models,
            issue_token=self.github.tokens.issue,
            url=api_url,
        )
        self.nimbus_os = NimbusOs(database, clock)
        self.neuroai = NeuroAi(database, clock, self.switches)
        self.nexus = Nexus(database, clock)
        self.unknown_route = ServiceRoute("", "unknown", self._reject_unknown_path, NIMBUS_API_ERRORS)
        self.faults = FaultQueues(
            list(dict.fromkeys(route.endpoint for route in (*self.api_routes(), *self.storage_routes())))
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

    def storage_routes(self) -> list[ServiceRoute]:
        """Return the routes of the storage host; its faults have the error bodies of the Nimbus API."""
        return [ServiceRoute(STORAGE_PATH, "storage", self.github.storage.serve, NIMBUS_API_ERRORS)]

    async def _reject_unknown_path(self, request: Request) -> Response:
        if request.path.startswith("/github/"):
            return github_error(404, "Not Found")
        return self.nimbus_api.reject_unknown_path(request)
