"""Requests to NeuroAI."""

from __future__ import annotations

import pytest


@pytest.fixture
def neuroai(sandbox, http):
    """Call NeuroAI with a key, a method, a path below ``/v1``, and options of httpx."""

    def call(key, method, path, *, headers=None, **options):
        sent = {**({} if key is None else {"Authorization": f"Bearer {key}"}), **(headers or {})}
        return http.request(method, f"{sandbox.neuroai_url}/v1{path}", headers=sent, **options)

    return call


@pytest.fixture
def admin(sandbox):
    """The key of an Administrator."""
    return sandbox.new_neuroai_key(role="Administrator")


@pytest.fixture
def verify(sandbox, http):
    """Verify a key."""

    def call(key, **headers):
        sent = {"Authorization": f"Bearer {key}", **headers}
        return http.get(f"{sandbox.neuroai_url}/v1/auth/verify", headers=sent)

    return call
