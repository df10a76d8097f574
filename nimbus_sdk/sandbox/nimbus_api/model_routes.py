"""The model registry of the API and the files of its models.

The list shows every model with the tier it requires; the file of a model above the key's tier is refused
with 403. Source: the section "Models" of the Nimbus API documentation.
"""

from __future__ import annotations

from starlette.routing import Route

from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.http.endpoint import Endpoint, Visit
from nimbus_sdk.sandbox.http.ranges import file_reply
from nimbus_sdk.sandbox.http.refusals import Refused
from nimbus_sdk.sandbox.http.responses import Reply, json_reply
from nimbus_sdk.sandbox.nimbus_api.access import Limited, key_in_header
from nimbus_sdk.sandbox.nimbus_api.license_tiers import covers


def model_routes(state: State) -> list[Route]:
    """``/v1/models/list`` and ``/v1/models/{name}/download``."""
    listing = Limited("models", "GET", key_in_header, _list)
    download = Limited("model_file", "GET", key_in_header, _download)
    return [
        Route("/v1/models/list", Endpoint("models", listing, state)),
        Route("/v1/models/{name}/download", Endpoint("model_file", download, state)),
    ]


def _list(visit: Visit, key: str) -> Reply:
    visit.state.keys.active(key)
    query = visit.request.query_params
    paradigm, kind = query.get("paradigm"), query.get("type")
    rows = [
        model.listing(f"{visit.state.api_url}/v1/models/{model.name}/download")
        for model in visit.state.models
        if paradigm in (None, model.paradigm) and kind in (None, model.type)
    ]
    return json_reply(200, {"models": rows, "total": len(rows)})


def _download(visit: Visit, key: str) -> Reply:
    record = visit.state.keys.active(key)
    name = visit.request.path_params["name"]
    model = next((model for model in visit.state.models if model.name == name), None)
    if model is None:
        raise Refused("NOT_FOUND", f"There is no model {name}.")
    if not covers(record.tier, model.requires_license):
        raise Refused("PERMISSION_DENIED", f"{name} requires the {model.requires_license} tier.")
    return file_reply(model.path, model.sha256, visit.headers, model.path.name)
