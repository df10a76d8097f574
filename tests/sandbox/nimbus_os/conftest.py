"""Requests to Nimbus OS."""

from __future__ import annotations

import pytest


@pytest.fixture
def request_orders(sandbox, http):
    """Request a resource of Nimbus OS with a key."""

    def call(key, path="/orders", *, method="GET", environment="sandbox", headers=None, **options):
        sent = {**({} if key is None else {"X-API-Key": key}), **(headers or {})}
        return http.request(method, f"{sandbox.nimbus_os_url(environment)}{path}", headers=sent, **options)

    return call
