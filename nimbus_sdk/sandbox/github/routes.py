"""The few routes of the GitHub REST API that lead to a release's files.

Source: "REST API endpoints for releases" and "for release assets" of the GitHub documentation,
version 2022-11-28.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.routing import Route

from nimbus_sdk.sandbox.app.state import REPOSITORY, State
from nimbus_sdk.sandbox.github.releases import Asset, Release
from nimbus_sdk.sandbox.github.storage_routes import signed_link
from nimbus_sdk.sandbox.http.endpoint import Endpoint, Handler, Visit
from nimbus_sdk.sandbox.http.responses import Reply, json_reply
from nimbus_sdk.sandbox.http.times import iso

_DOCUMENTATION = "https://docs.github.com/rest"
_BINARY = "application/octet-stream"


def github_routes(state: State) -> list[Route]:
    """The routes below ``/github``."""
    base = "/github/repos/{owner}/{repo}/releases"
    return [
        Route(f"{base}/latest", Endpoint("release", _guarded(_latest), state)),
        Route(f"{base}/tags/{{tag}}", Endpoint("release", _guarded(_tagged), state)),
        Route(f"{base}/assets/{{asset:int}}", Endpoint("asset", _guarded(_asset), state)),
    ]


def github_refusal(status: int, message: str) -> Reply:
    """An error body as GitHub writes it."""
    return json_reply(
        status, {"message": message, "documentation_url": _DOCUMENTATION, "status": str(status)}
    )


def _guarded(answer: Callable[[Visit], Reply]) -> Handler:
    async def handler(visit: Visit) -> Reply:
        refusal = _refusal(visit)
        # The first release may have to be built, which takes a second: not on the server's loop.
        return refusal if refusal is not None else await asyncio.to_thread(answer, visit)

    return handler


def _refusal(visit: Visit) -> Reply | None:
    if not visit.headers.get("user-agent"):
        return github_refusal(403, "Request forbidden by administrative rules. A User-Agent is required.")
    scheme, _, token = visit.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token"):
        if not visit.state.tokens.admits(token.strip()):
            return github_refusal(401, "Bad credentials")
    elif scheme:
        return github_refusal(401, "Bad credentials")
    else:
        # To the anonymous, GitHub denies that a private repository exists.
        return _not_found()
    places = visit.request.path_params
    if f"{places['owner']}/{places['repo']}".lower() != REPOSITORY.lower() or visit.request.method != "GET":
        return _not_found()
    return None


def _not_found() -> Reply:
    return github_refusal(404, "Not Found")


def _latest(visit: Visit) -> Reply:
    return _release_reply(visit, visit.state.releases.latest())


def _tagged(visit: Visit) -> Reply:
    return _release_reply(visit, visit.state.releases.tagged(visit.request.path_params["tag"]))


def _release_reply(visit: Visit, release: Release | None) -> Reply:
    return _not_found() if release is None else json_reply(200, release_json(visit.state, release))


def _asset(visit: Visit) -> Reply:
    asset = visit.state.releases.asset(visit.request.path_params["asset"])
    if asset is None:
        return _not_found()
    if _BINARY in visit.headers.get("accept", ""):
        return Reply(302, {"Location": signed_link(visit.state, asset)})
    return json_reply(200, _asset_json(visit.state, asset, visit.state.clock()))


def release_json(state: State, release: Release) -> dict[str, object]:
    """A release as GitHub shows it."""
    base = f"{state.github_url}/repos/{REPOSITORY}/releases"
    moment = iso(release.published_at)
    return {
        "url": f"{base}/{release.id}",
        "html_url": f"https://github.com/{REPOSITORY}/releases/tag/{release.tag}",
        "id": release.id,
        "tag_name": release.tag,
        "target_commitish": "main",
        "name": f"NimbusSDKCore {release.version}",
        "draft": False,
        "prerelease": False,
        "created_at": moment,
        "published_at": moment,
        "assets": [_asset_json(state, asset, release.published_at) for asset in release.assets],
        "body": release.notes,
    }


def _asset_json(state: State, asset: Asset, moment: float) -> dict[str, object]:
    return {
        "url": f"{state.github_url}/repos/{REPOSITORY}/releases/assets/{asset.id}",
        "id": asset.id,
        "name": asset.name,
        "label": None,
        "state": "uploaded",
        "content_type": _BINARY,
        "size": asset.size,
        **({"digest": f"sha256:{asset.sha256}"} if asset.digest_shown else {}),
        "created_at": iso(moment),
        "updated_at": iso(moment),
    }
