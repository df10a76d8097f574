"""GitHub for the core: temporary tokens, the releases in its REST API, and the storage host of their files.

Source: "REST API endpoints for releases" and "for release assets" of the GitHub documentation, version
2022-11-28; for the storage host its behaviour: it answers 400 to a request that has an ``Authorization``
header as well as a signature in its URL.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import string
from collections.abc import Callable

from nimbus_sdk.sandbox.github.releases import Asset, Release, Releases
from nimbus_sdk.sandbox.http.database import Database
from nimbus_sdk.sandbox.http.faults import Switches
from nimbus_sdk.sandbox.http.masking import digest
from nimbus_sdk.sandbox.http.requests import Handler, Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import ErrorFormat, Response, file_response, iso, json_response

REPOSITORY = "nimbusbci/NimbusSDKCore"
_TOKEN_ALPHABET = string.ascii_letters + string.digits
_TOKEN_LENGTH = 36
_DOCUMENTATION = "https://docs.github.com/rest"
_BINARY = "application/octet-stream"
_ERRORS = ErrorFormat({}, "", lambda error: {"message": error.text, "status": str(error.status)})


class GitHub:
    """The part of GitHub that serves the core; tokens are stored as their SHA-256."""

    def __init__(
        self, database: Database, switches: Switches, releases: Releases, *, url: str, storage_url: str
    ) -> None:
        self.url = url
        self.releases = releases
        self._database = database
        self._clock = database.clock
        self._switches = switches
        self._storage_url = storage_url
        self._link_secret = secrets.token_bytes(32)

    def issue_token(self, fingerprint: str, lifetime: float | None) -> tuple[str, float | None]:
        """Issue a token that ends with the key of a fingerprint; return it and when it expires."""
        token = "ghp_" + "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(_TOKEN_LENGTH))
        expires_at = None if lifetime is None else self._clock() + lifetime
        self._database.execute(
            "INSERT INTO tokens VALUES (?, ?, ?)", (digest(token), fingerprint, expires_at)
        )
        return token, expires_at

    def _is_valid(self, token: str) -> bool:
        """Return whether the token was issued here and is neither expired nor revoked."""
        query = "SELECT 1 FROM tokens WHERE token_hash = ? AND (expires_at IS NULL OR expires_at > ?)"
        return bool(self._database.fetch_all(query, (digest(token), self._clock())))

    def revoke_tokens(self) -> None:
        """Revoke every token at once, as a rotation on the service's side does."""
        self._database.execute("DELETE FROM tokens")

    def routes(self) -> list[ServiceRoute]:
        """Return the routes below ``/github``."""
        base = "/github/repos/{owner}/{repo}/releases"
        return [
            ServiceRoute(f"{base}/latest", "release", self._authorized(self._latest), _ERRORS),
            ServiceRoute(f"{base}/tags/{{tag}}", "release", self._authorized(self._tagged), _ERRORS),
            ServiceRoute(f"{base}/assets/{{asset:int}}", "asset", self._authorized(self._asset), _ERRORS),
            ServiceRoute("/github/{rest:path}", "unknown", _reject_unknown_path, _ERRORS),
        ]

    def storage_routes(self, errors: ErrorFormat) -> list[ServiceRoute]:
        """Return the routes of the storage host; its faults have error bodies of another service."""
        return [ServiceRoute("/release-assets/{asset:int}", "storage", self._download, errors)]

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
            return _error(403, "Request forbidden by administrative rules. A User-Agent is required.")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            # Without authentication, GitHub answers as if a private repository did not exist.
            return _error(404, "Not Found")
        if scheme.lower() not in ("bearer", "token") or not self._is_valid(token.strip()):
            return _error(401, "Bad credentials")
        repository = f"{request.path_params['owner']}/{request.path_params['repo']}"
        if repository.lower() != REPOSITORY.lower() or request.method != "GET":
            return _error(404, "Not Found")
        return None

    def _latest(self, request: Request) -> Response:
        return json_response(200, self.release_json(self.releases.latest()))

    def _tagged(self, request: Request) -> Response:
        release = self.releases.by_tag(request.path_params["tag"])
        if release is None:
            return _error(404, "Not Found")
        return json_response(200, self.release_json(release))

    def _asset(self, request: Request) -> Response:
        asset = self.releases.asset(request.path_params["asset"])
        if asset is None:
            return _error(404, "Not Found")
        if _BINARY in request.headers.get("accept", ""):
            expires = str(int(self._clock() + self._switches.link_lifetime))
            query = f"sig={self._sign(asset.id, expires)}&expires={expires}"
            return Response(302, {"Location": f"{self._storage_url}/release-assets/{asset.id}?{query}"})
        return json_response(200, self._asset_json(asset, self._clock()))

    async def _download(self, request: Request) -> Response:
        if request.method != "GET":
            return _storage_error(405, "UnsupportedHttpVerb", "The resource doesn't support the HTTP verb.")
        if "authorization" in request.headers:
            return _storage_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        number, expires = request.path_params["asset"], request.query.get("expires", "")
        signature = request.query.get("sig", "")
        if not hmac.compare_digest(signature.encode(), self._sign(number, expires).encode()):
            return _storage_error(403, "AuthenticationFailed", "Signature did not match")
        if float(expires) <= self._clock():
            return _storage_error(403, "AuthenticationFailed", "Signature has expired")
        asset = self.releases.asset(number)
        if asset is None:
            return _storage_error(404, "BlobNotFound", "The specified blob does not exist")
        return file_response(asset.path, asset.sha256, request.headers, asset.name)

    def _sign(self, number: int, expires: str) -> str:
        return hmac.new(self._link_secret, f"{number}:{expires}".encode(), hashlib.sha256).hexdigest()


async def _reject_unknown_path(request: Request) -> Response:
    return _error(404, "Not Found")


def _error(status: int, message: str) -> Response:
    return json_response(
        status, {"message": message, "documentation_url": _DOCUMENTATION, "status": str(status)}
    )


def _storage_error(status: int, code: str, message: str) -> Response:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<?xml version="1.0" encoding="utf-8"?>{error}'.encode()
    return Response(status, {"Content-Type": "application/xml"}, body)
