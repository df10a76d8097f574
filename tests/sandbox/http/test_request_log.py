"""The request log has every request, in order."""

from __future__ import annotations

import re

from tests.support.sandbox_requests import (
    run_installation,
)


def test_an_installation_is_logged_in_order(sandbox):
    """Each request is recorded with endpoint, status, size and range, in order of arrival."""
    run_installation(sandbox, sandbox.new_key())
    journal = sandbox.journal()
    assert [(exchange.seq, exchange.endpoint, exchange.status) for exchange in journal] == [
        (1, "validate", 200),
        (2, "github_token", 200),
        (3, "release", 200),
        (4, "asset", 302),
        (5, "storage", 206),
        (6, "github_token", 200),
        (7, "unknown", 404),
        (8, "analytics", 202),
        (9, "refresh", 500),
        (10, "revoke", 200),
    ]
    storage = journal[4]
    assert storage.range == "bytes=5-"
    assert storage.bytes_sent > 0
    assert re.fullmatch(r"/release-assets/\d+\?sig=\*\*\*&expires=\d+", storage.path)
    assert storage.headers["cookie"] == "***"
    assert journal[5].path == "/v1/installer/github-token?api_key=***"
    assert journal[2].headers["authorization"] == "Bearer ***"
    sandbox.clear_journal()
    assert sandbox.journal() == []
