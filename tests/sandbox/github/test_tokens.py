"""GitHub tokens: issued, expired, revoked."""

from __future__ import annotations

import pytest

from tests.support.sandbox_requests import (
    REPOSITORY,
    github_token,
)


def test_tokens_without_a_lifetime_never_expire(sandbox, http, clock):
    """Without a lifetime expires_at is null and the token is valid after a year."""
    sandbox.switches.token_lifetime = None
    answer = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
    ).json()
    assert answer["expires_at"] is None
    clock.now += 366 * 86400
    release = http.get(
        f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest",
        headers={"Authorization": f"Bearer {answer['github_token']}"},
    )
    assert release.status_code == 200


@pytest.mark.parametrize("authorization", ["Bearer ghp_" + "x" * 36, "Basic abc", "Bearer"])
def test_wrong_tokens_are_bad_credentials(sandbox, http, authorization):
    """A token that was not issued here is 401 with GitHub's body."""
    answer = http.get(
        f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest", headers={"Authorization": authorization}
    )
    assert answer.status_code == 401
    assert answer.json() == {
        "message": "Bad credentials",
        "documentation_url": "https://docs.github.com/rest",
        "status": "401",
    }


def test_tokens_end_at_expiry_with_their_key_and_at_rotation(sandbox, http, clock):
    """An expired token, one whose key was revoked, and a rotated one are all 401."""
    url = f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest"

    def status(token):
        return http.get(url, headers={"Authorization": f"Bearer {token}"}).status_code

    sandbox.switches.token_lifetime = 60
    short = github_token(sandbox, http)
    assert status(short) == 200
    clock.now += 60
    assert status(short) == 401

    key = sandbox.new_key()
    orphan = github_token(sandbox, http, key)
    sandbox.revoke_key(key)
    assert status(orphan) == 401

    rotated = github_token(sandbox, http)
    sandbox.revoke_tokens()
    assert status(rotated) == 401
