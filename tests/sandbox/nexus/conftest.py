"""Requests to Nexus."""

from __future__ import annotations

import pytest


@pytest.fixture
def post_thread(sandbox, http):
    """Post to Nexus."""

    def call(key=None, *, headers=None, method="POST", path="/api/public/thread", **options):
        sent = {**({} if key is None else {"api-key": key}), **(headers or {})}
        body = options or {"json": {"message": "Hello"}}
        return http.request(method, f"{sandbox.nexus_url}{path}", headers=sent, **body)

    return call
