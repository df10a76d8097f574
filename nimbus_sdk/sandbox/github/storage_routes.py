"""The storage host that an asset's redirect leads to: signed links, ranges, and no other authentication.

Source: the behaviour of GitHub's release storage, which answers 400 to a request that brings an
``Authorization`` header beside the signature in its URL.
"""

from __future__ import annotations

import hashlib
import hmac

from starlette.routing import Route

from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.github.releases import Asset
from nimbus_sdk.sandbox.http.endpoint import Endpoint, Visit
from nimbus_sdk.sandbox.http.ranges import file_reply
from nimbus_sdk.sandbox.http.responses import Reply


def storage_routes(state: State) -> list[Route]:
    """The routes of the second port."""
    return [Route("/release-assets/{asset:int}", Endpoint("storage", _serve, state))]


def signed_link(state: State, asset: Asset) -> str:
    """A link to an asset's bytes that works without authentication for a few minutes."""
    expires = int(state.clock() + state.switches.link_lifetime)
    signature = _signature(state, asset.id, str(expires))
    return f"{state.storage_url}/release-assets/{asset.id}?sig={signature}&expires={expires}"


async def _serve(visit: Visit) -> Reply:
    if visit.request.method != "GET":
        return _refusal(405, "UnsupportedHttpVerb", "The resource doesn't support the HTTP verb.")
    if "authorization" in visit.headers:
        return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
    query = visit.request.query_params
    number, expires = visit.request.path_params["asset"], query.get("expires", "")
    expected = _signature(visit.state, number, expires)
    if not hmac.compare_digest(query.get("sig", "").encode(), expected.encode()):
        return _refusal(403, "AuthenticationFailed", "Signature did not match")
    if float(expires) <= visit.state.clock():
        return _refusal(403, "AuthenticationFailed", "Signature has expired")
    asset = visit.state.releases.asset(number)
    if asset is None:
        return _refusal(404, "BlobNotFound", "The specified blob does not exist")
    return file_reply(asset.path, asset.sha256, visit.headers, asset.name)


def _signature(state: State, number: int, expires: str) -> str:
    return hmac.new(state.link_secret, f"{number}:{expires}".encode(), hashlib.sha256).hexdigest()


def _refusal(status: int, code: str, message: str) -> Reply:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<?xml version="1.0" encoding="utf-8"?>{error}'
    return Reply(status, {"Content-Type": "application/xml"}, body.encode())
