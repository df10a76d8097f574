"""The routes of the GitHub REST API that lead to a release's files.

Source: "REST API endpoints for releases" and "for release assets" of the GitHub documentation,
version 2022-11-28.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nimbus_sdk.sandbox.github.releases import Asset, Release, Releases
from nimbus_sdk.sandbox.github.storage_routes import AssetStorage
from nimbus_sdk.sandbox.github.tokens import GithubTokens
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.errors import ErrorFormat
from nimbus_sdk.sandbox.http.faults import Switches
from nimbus_sdk.sandbox.http.requests import Handler, Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import Response, json_response
from nimbus_sdk.sandbox.http.times import Clock, iso

REPOSITORY = "nimbusbci/NimbusSDKCore"
_DOCUMENTATION = "https://docs.github.com/rest"
_BINARY = "application/octet-stream"
_ERRORS = ErrorFormat({}, "", lambda error: {"message": error.text, "status": str(error.status)})


class GitHub:
    """The part of GitHub that serves the core: releases, tokens, and the storage host."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        switches: Switches,
        *,
        releases: Releases,
        url: str,
        storage_url: str,
    ) -> None:
        self.url = url
        self.tokens = GithubTokens(database, clock)
        self.releases = releases
        self.storage = AssetStorage(self.releases, clock, switches, storage_url)
        self._clock = clock

    def routes(self) -> list[ServiceRoute]:
        """Return the routes below ``/github``."""
        base = "/github/repos/{owner}/{repo}/releases"
        return [
            ServiceRoute(f"{base}/latest", "release", self._authorized(self._latest), _ERRORS),
            ServiceRoute(f"{base}/tags/{{tag}}", "release", self._authorized(self._tagged), _ERRORS),
            ServiceRoute(f"{base}/assets/{{asset:int}}", "asset", self._authorized(self._asset), _ERRORS),
        ]

    def release_json(self, release: Release) -> dict[str, object]:
        """Return a release as GitHub shows it."""
        base = f"{self.url}/repos/{REPOSITORY}/releases"
        published = iso(release.published_at)
        return {
            "url": f"{base}/{release.id}",
            "html_url": f"https://github.com/{REPOSITORY}/releases/tag/{release.tag}",
            "id": release.id,
            "tag_name": release.tag,
            "target_commitish": "main",
            "name": f"NimbusSDKCore {release.version}",
            "draft": False,
            "prerelease": False,
            "created_at": published,
            "published_at": published,
            "assets": [self._asset_json(asset, release.published_at) for asset in release.assets],
            "body": release.notes,
        }

    def _asset_json(self, asset: Asset, created_at: float) -> dict[str, object]:
        return {
            "url": f"{self.url}/repos/{REPOSITORY}/releases/assets/{asset.id}",
            "id": asset.id,
            "name": asset.name,
            "label": None,
            "state": "uploaded",
            "content_type": _BINARY,
            "size": asset.size,
            **({"digest": f"sha256:{asset.sha256}"} if asset.has_digest else {}),
            "created_at": iso(created_at),
            "updated_at": iso(created_at),
        }

    def _authorized(self, respond: Callable[[Request], Response]) -> Handler:
        async def handler(request: Request) -> Response:
            refusal = self._refusal(request)
            # The first release may have to be built, which takes a second: not on the server's loop.
            return refusal if refusal is not None else await asyncio.to_thread(respond, request)

        return handler

    def _refusal(self, request: Request) -> Response | None:
        if not request.headers.get("user-agent"):
            return github_error(403, "Request forbidden by administrative rules. A User-Agent is required.")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            # Without authentication, GitHub answers as if a private repository did not exist.
            return github_error(404, "Not Found")
        if scheme.lower() not in ("bearer", "token") or not self.tokens.is_valid(token.strip()):
            return github_error(401, "Bad credentials")
        repository = f"{request.path_params['owner']}/{request.path_params['repo']}"
        if repository.lower() != REPOSITORY.lower() or request.method != "GET":
            return github_error(404, "Not Found")
        return None

    def _latest(self, request: Request) -> Response:
        return self._release_response(self.releases.latest())

    def _tagged(self, request: Request) -> Response:
        return self._release_response(self.releases.by_tag(request.path_params["tag"]))

    def _release_response(self, release: Release | None) -> Response:
        if release is None:
            return github_error(404, "Not Found")
        return json_response(200, self.release_json(release))

    def _asset(self, request: Request) -> Response:
        asset = self.releases.asset(request.path_params["asset"])
        if asset is None:
            return github_error(404, "Not Found")
        if _BINARY in request.headers.get("accept", ""):
            return Response(302, {"Location": self.storage.signed_link(asset)})
        return json_response(200, self._asset_json(asset, self._clock()))


def github_error(status: int, message: str) -> Response:
    """Return an error body as GitHub writes it."""
    return json_response(
        status, {"message": message, "documentation_url": _DOCUMENTATION, "status": str(status)}
    )
