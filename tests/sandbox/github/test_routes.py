"""Releases and assets as the GitHub API shows them."""

from __future__ import annotations

import hashlib
import re

from tests.support.sandbox_requests import (
    REPOSITORY,
    github_auth,
)


def test_the_release_has_githubs_shape(sandbox, http):
    """The latest release has tag, notes and assets with name, size, digest and url."""
    answer = http.get(
        f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest", headers=github_auth(sandbox, http)
    )
    assert answer.status_code == 200
    release = answer.json()
    assert release["tag_name"] == "v0.1.0"
    assert release["body"] == "Requires-Dist: numpy>=1.26\nRequires-Python: >=3.11"
    assert (release["draft"], release["prerelease"]) == (False, False)
    wheel, sums = release["assets"]
    assert wheel["name"] == "nimbus_sdk_core-0.1.0-py3-none-any.whl"
    assert sums["name"] == "SHA256SUMS"
    assert set(wheel) >= {"id", "name", "size", "digest", "url", "content_type", "state"}
    assert wheel["url"] == f"{sandbox.github_url}/repos/{REPOSITORY}/releases/assets/{wheel['id']}"
    assert re.fullmatch("sha256:[0-9a-f]{64}", wheel["digest"])


def test_the_digests_match_the_bytes(sandbox, http):
    """Wheel and SHA256SUMS, fetched through the redirect, match size, digest and each other."""
    auth = github_auth(sandbox, http)
    release = http.get(f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest", headers=auth).json()
    bodies = {}
    for asset in release["assets"]:
        redirect = http.get(asset["url"], headers={**auth, "Accept": "application/octet-stream"})
        assert redirect.status_code == 302
        assert redirect.headers["location"].startswith(f"{sandbox.storage_url}/")
        body = http.get(redirect.headers["location"]).content
        assert len(body) == asset["size"]
        assert f"sha256:{hashlib.sha256(body).hexdigest()}" == asset["digest"]
        bodies[asset["name"]] = body
    sums, (name, wheel) = bodies.pop("SHA256SUMS"), bodies.popitem()
    assert sums.decode() == f"{hashlib.sha256(wheel).hexdigest()}  {name}\n"


def test_an_asset_requested_as_json_is_json(sandbox, http):
    """Without the octet-stream Accept the asset's description is returned, not its bytes."""
    auth = github_auth(sandbox, http)
    release = http.get(f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest", headers=auth).json()
    asset = release["assets"][0]
    answer = http.get(asset["url"], headers={**auth, "Accept": "application/vnd.github+json"})
    assert answer.status_code == 200
    assert answer.json() == asset


def test_releases_are_found_by_tag_and_the_newest_is_latest(sandbox, http):
    """Older releases stay under their tags when a new one is published."""
    sandbox.publish("0.2.0", digest=False, sums=False)
    auth = github_auth(sandbox, http)
    base = f"{sandbox.github_url}/repos/{REPOSITORY}/releases"
    latest = http.get(f"{base}/latest", headers=auth).json()
    assert latest["tag_name"] == "v0.2.0"
    assert [asset["name"] for asset in latest["assets"]] == ["nimbus_sdk_core-0.2.0-py3-none-any.whl"]
    assert "digest" not in latest["assets"][0]
    assert http.get(f"{base}/tags/v0.1.0", headers=auth).json()["tag_name"] == "v0.1.0"
    assert http.get(f"{base}/tags/v9.9.9", headers=auth).status_code == 404


def test_the_token_opens_one_repository_and_reads_it_only(sandbox, http):
    """Another repository, no token at all, a write and an unknown asset are all 404."""
    auth = github_auth(sandbox, http)
    base = f"{sandbox.github_url}/repos"
    answers = [
        http.get(f"{base}/nimbusbci/OtherRepo/releases/latest", headers=auth),
        http.get(f"{base}/{REPOSITORY}/releases/latest"),
        http.post(f"{base}/{REPOSITORY}/releases/latest", headers=auth),
        http.get(f"{base}/{REPOSITORY}/releases/assets/1", headers=auth),
        http.get(f"{base}/{REPOSITORY}/contents/README.md", headers=auth),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert {answer.json()["message"] for answer in answers} == {"Not Found"}


def test_github_requires_a_user_agent(sandbox, http):
    """A request without a User-Agent is forbidden, as at GitHub."""
    answer = http.get(
        f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest",
        headers={**github_auth(sandbox, http), "User-Agent": ""},
    )
    assert answer.status_code == 403
