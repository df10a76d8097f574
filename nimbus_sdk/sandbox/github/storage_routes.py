"""The storage host of release assets: signed links, ranges, and no other authentication.

Source: the behaviour of GitHub's release storage, which answers 400 to a request that has an
``Authorization`` header as well as a signature in its URL.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from nimbus_sdk.sandbox.github.releases import Asset, Releases
from nimbus_sdk.sandbox.http.faults import Switches
from nimbus_sdk.sandbox.http.requests import Request
from nimbus_sdk.sandbox.http.responses import Response, file_response
from nimbus_sdk.sandbox.http.times import Clock

STORAGE_PATH = "/release-assets/{asset:int}"


class AssetStorage:
    """Serves the files of releases at signed links below a base URL."""

    def __init__(self, releases: Releases, clock: Clock, switches: Switches, url: str) -> None:
        self._releases = releases
        self._clock = clock
        self._switches = switches
        self._url = url
        self._secret = secrets.token_bytes(32)

    def signed_link(self, asset: Asset) -> str:
        """Return a link to a file that needs no authentication and expires in a few minutes."""
        expires = str(int(self._clock() + self._switches.link_lifetime))
        return f"{self._url}/release-assets/{asset.id}?sig={self._sign(asset.id, expires)}&expires={expires}"

    async def serve(self, request: Request) -> Response:
        """Return the response to one request."""
        if request.method != "GET":
            return _error(405, "UnsupportedHttpVerb", "The resource doesn't support the HTTP verb.")
        if "authorization" in request.headers:
            return _error(400, "InvalidArgument", "Only one auth mechanism allowed")
        number, expires = request.path_params["asset"], request.query.get("expires", "")
        signature = request.query.get("sig", "")
        if not hmac.compare_digest(signature.encode(), self._sign(number, expires).encode()):
            return _error(403, "AuthenticationFailed", "Signature did not match")
        if float(expires) <= self._clock():
            return _error(403, "AuthenticationFailed", "Signature has expired")
        asset = self._releases.asset(number)
        if asset is None:
            return _error(404, "BlobNotFound", "The specified blob does not exist")
        return file_response(asset.path, asset.sha256, request.headers, asset.name)

    def _sign(self, number: int, expires: str) -> str:
        return hmac.new(self._secret, f"{number}:{expires}".encode(), hashlib.sha256).hexdigest()


def _error(status: int, code: str, message: str) -> Response:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<?xml version="1.0" encoding="utf-8"?>{error}'
    return Response(status, {"Content-Type": "application/xml"}, body.encode())
