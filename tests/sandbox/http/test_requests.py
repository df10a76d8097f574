"""Only a JSON object that is sent as JSON is read."""

from __future__ import annotations

import pytest


def test_a_body_of_another_content_type_is_not_read(sandbox, http):
    """A key in a body of another content type counts as missing."""
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", data={"api_key": sandbox.new_key()})
    assert (answer.status_code, answer.json()["code"]) == (400, "MISSING_KEY")


@pytest.mark.parametrize("secret", ['"\\ud800"', "[" * 100_000])
def test_odd_json_is_answered_like_any_other(sandbox, http, secret):
    """A lone surrogate, and nesting without end, are answered as the documentation says."""
    body = b'{"api_key": ' + secret.encode() + b"}"
    headers = {"Content-Type": "application/json"}
    answer = http.post(f"{sandbox.api_url}/v1/auth/validate", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) in [(400, "INVALID_FORMAT"), (400, "MISSING_KEY")]
