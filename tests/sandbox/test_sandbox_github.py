"""The GitHub token, and the releases it opens."""

from __future__ import annotations

import hashlib
import re

import pytest

REPO = "nimbusbci/NimbusSDKCore"


def token_of(sandbox, http, key=None):
    """A GitHub token, asked for over HTTP."""
    answer = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": key or sandbox.new_key()}
    )
    return answer.json()["github_token"]


def bearer(sandbox, http):
    """The header that carries a fresh token."""
    return {"Authorization": f"Bearer {token_of(sandbox, http)}"}


def test_the_key_may_stand_in_three_places(sandbox, http):
    """Header, JSON body of a POST and query of a GET all authenticate."""
    key, url = sandbox.new_key(), f"{sandbox.api_url}/v1/installer/github-token"
    answers = [
        http.get(url, headers={"X-API-Key": key}),
        http.post(url, headers={"X-API-Key": key}),
        http.post(url, json={"api_key": key}),
        http.get(url, params={"api_key": key}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    body = answers[0].json()
    assert re.fullmatch(r"ghp_[0-9A-Za-z]{36}", body.pop("github_token"))
    assert body == {
        "success": True,
        "expires_at": "2025-10-31T13:00:00Z",
        "message": "GitHub token retrieved successfully",
    }


def test_the_query_counts_for_get_and_the_body_for_post_alone(sandbox, http):
    """A POST with the key in its URL, and a request with none, are MISSING_KEY."""
    url = f"{sandbox.api_url}/v1/installer/github-token"
    for answer in (
        http.post(url, params={"api_key": sandbox.new_key()}),
        http.post(url, params={"api_key": sandbox.new_key()}, json={}),
        http.get(url),
        http.get(url, headers={"X-API-Key": ""}),
    ):
        assert answer.status_code == 400
        body = answer.json()
        assert (body["error"], body["code"]) == ("API key is required", "MISSING_KEY")


def test_dead_keys_get_no_token(sandbox, http):
    """A revoked key is refused as the documentation words it."""
    key = sandbox.new_key()
    sandbox.revoke_key(key)
    answer = http.get(f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": key})
    assert answer.status_code == 401
    assert answer.json() == {"error": "Invalid or inactive API key", "code": "INVALID_KEY"}


def test_a_server_without_a_token_says_so(sandbox, http):
    """NOT_CONFIGURED is 503 with the documented message."""
    sandbox.github_configured = False
    answer = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
    )
    assert answer.status_code == 503
    assert answer.json() == {
        "error": "GitHub token not configured",
        "code": "NOT_CONFIGURED",
        "message": "GitHub token is not configured on the server. Please contact support.",
    }


def test_tokens_may_live_for_ever(sandbox, http, clock):
    """Without a lifetime expires_at is null and the token outlives the year."""
    sandbox.switches.token_lifetime = None
    answer = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
    ).json()
    assert answer["expires_at"] is None
    clock.now += 366 * 86400
    release = http.get(
        f"{sandbox.github_url}/repos/{REPO}/releases/latest",
        headers={"Authorization": f"Bearer {answer['github_token']}"},
    )
    assert release.status_code == 200


def test_the_release_has_githubs_shape(sandbox, http):
    """The latest release tells tag, notes and assets with name, size, digest and url."""
    answer = http.get(f"{sandbox.github_url}/repos/{REPO}/releases/latest", headers=bearer(sandbox, http))
    assert answer.status_code == 200
    release = answer.json()
    assert release["tag_name"] == "v0.1.0"
    assert release["body"] == "Requires-Dist: numpy>=1.26\nRequires-Python: >=3.11"
    assert (release["draft"], release["prerelease"]) == (False, False)
    wheel, sums = release["assets"]
    assert wheel["name"] == "nimbus_sdk_core-0.1.0-py3-none-any.whl"
    assert sums["name"] == "SHA256SUMS"
    assert set(wheel) >= {"id", "name", "size", "digest", "url", "content_type", "state"}
    assert wheel["url"] == f"{sandbox.github_url}/repos/{REPO}/releases/assets/{wheel['id']}"
    assert re.fullmatch("sha256:[0-9a-f]{64}", wheel["digest"])


def test_the_digests_are_those_of_the_bytes(sandbox, http):
    """Wheel and SHA256SUMS, fetched through the redirect, fit size, digest and each other."""
    auth = bearer(sandbox, http)
    release = http.get(f"{sandbox.github_url}/repos/{REPO}/releases/latest", headers=auth).json()
    bodies = {}
    for asset in release["assets"]:
        found = http.get(asset["url"], headers={**auth, "Accept": "application/octet-stream"})
        assert found.status_code == 302
        assert found.headers["location"].startswith(f"{sandbox.storage_url}/")
        body = http.get(found.headers["location"]).content
        assert len(body) == asset["size"]
        assert f"sha256:{hashlib.sha256(body).hexdigest()}" == asset["digest"]
        bodies[asset["name"]] = body
    sums, (name, wheel) = bodies.pop("SHA256SUMS"), bodies.popitem()
    assert sums.decode() == f"{hashlib.sha256(wheel).hexdigest()}  {name}\n"


def test_an_asset_asked_for_as_json_is_json(sandbox, http):
    """Without the octet-stream Accept the asset's description comes, not its bytes."""
    auth = bearer(sandbox, http)
    release = http.get(f"{sandbox.github_url}/repos/{REPO}/releases/latest", headers=auth).json()
    asset = release["assets"][0]
    answer = http.get(asset["url"], headers={**auth, "Accept": "application/vnd.github+json"})
    assert answer.status_code == 200
    assert answer.json() == asset


def test_releases_are_found_by_tag_and_the_newest_is_latest(sandbox, http):
    """Older releases stay under their tags when a new one is published."""
    sandbox.publish("0.2.0", digest=False, sums=False)
    auth = bearer(sandbox, http)
    base = f"{sandbox.github_url}/repos/{REPO}/releases"
    latest = http.get(f"{base}/latest", headers=auth).json()
    assert latest["tag_name"] == "v0.2.0"
    assert [asset["name"] for asset in latest["assets"]] == ["nimbus_sdk_core-0.2.0-py3-none-any.whl"]
    assert "digest" not in latest["assets"][0]
    assert http.get(f"{base}/tags/v0.1.0", headers=auth).json()["tag_name"] == "v0.1.0"
    assert http.get(f"{base}/tags/v9.9.9", headers=auth).status_code == 404


@pytest.mark.parametrize("authorization", ["Bearer ghp_" + "x" * 36, "Basic abc", "Bearer"])
def test_wrong_tokens_are_bad_credentials(sandbox, http, authorization):
    """A token that was not issued here is 401 in GitHub's words."""
    answer = http.get(
        f"{sandbox.github_url}/repos/{REPO}/releases/latest", headers={"Authorization": authorization}
    )
    assert answer.status_code == 401
    assert answer.json() == {
        "message": "Bad credentials",
        "documentation_url": "https://docs.github.com/rest",
        "status": "401",
    }


def test_tokens_die_with_time_with_their_key_and_at_rotation(sandbox, http, clock):
    """An expired token, one whose key was revoked, and a rotated one are all 401."""
    url = f"{sandbox.github_url}/repos/{REPO}/releases/latest"

    def status(token):
        return http.get(url, headers={"Authorization": f"Bearer {token}"}).status_code

    sandbox.switches.token_lifetime = 60
    short = token_of(sandbox, http)
    assert status(short) == 200
    clock.now += 60
    assert status(short) == 401

    key = sandbox.new_key()
    orphan = token_of(sandbox, http, key)
    sandbox.revoke_key(key)
    assert status(orphan) == 401

    rotated = token_of(sandbox, http)
    sandbox.revoke_tokens()
    assert status(rotated) == 401


def test_the_token_opens_one_repository_and_reads_it_only(sandbox, http):
    """Another repository, no token at all, a write and an unknown asset are all 404."""
    auth = bearer(sandbox, http)
    base = f"{sandbox.github_url}/repos"
    answers = [
        http.get(f"{base}/nimbusbci/OtherRepo/releases/latest", headers=auth),
        http.get(f"{base}/{REPO}/releases/latest"),
        http.post(f"{base}/{REPO}/releases/latest", headers=auth),
        http.get(f"{base}/{REPO}/releases/assets/1", headers=auth),
        http.get(f"{base}/{REPO}/contents/README.md", headers=auth),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert {answer.json()["message"] for answer in answers} == {"Not Found"}


def test_github_wants_a_user_agent(sandbox, http):
    """A request without a User-Agent is forbidden, as at GitHub."""
    answer = http.get(
        f"{sandbox.github_url}/repos/{REPO}/releases/latest",
        headers={**bearer(sandbox, http), "User-Agent": ""},
    )
    assert answer.status_code == 403
