"""The OpenAPI document and the sandbox say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import nimbus_sdk.sandbox

DOCUMENT: dict[str, Any] = json.loads(
    (Path(nimbus_sdk.sandbox.__file__).parent / "page" / "openapi.json").read_text("utf-8")
)
OPERATIONS = [
    (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_every_route_of_the_sandbox_is_described(sandbox):
    """No route but those that refuse everything is missing, and none is described that does not exist."""
    state = sandbox._state
    routes = {_shape(route.path) for route in state.api_routes() if "{rest:path}" not in route.path}
    assert routes == {_shape(path) for path in DOCUMENT["paths"]}


def test_every_reference_has_a_target():
    """A client can resolve each $ref of the document."""
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        found: Any = DOCUMENT
        for name in reference.split("/"):
            found = found[name]
        assert found


def test_names_of_operations_are_unique():
    """Generated clients need one name for each operation."""
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda part: str(part)[:40])
def test_a_request_without_a_key_is_refused_as_described(sandbox, http, path, method, operation):
    """Each operation answers a request without key and body with a status that the document names."""
    url = sandbox.api_url + re.sub(r"\{environment\}", "sandbox", path)
    url = url.replace("{owner}", "nimbusbci").replace("{repo}", "NimbusSDKCore").replace("{asset_id}", "1")
    answer = http.request(method.upper(), url)
    assert str(answer.status_code) in operation["responses"]


def test_success_is_as_described(sandbox, http, key):
    """The response to the example of an operation has the fields that its schema requires."""
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).json()
    license_schema = DOCUMENT["components"]["schemas"]["ValidLicense"]
    assert set(license_schema["required"]) <= set(answer)
    assert set(answer) <= set(license_schema["properties"])
