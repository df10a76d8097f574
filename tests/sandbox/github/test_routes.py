"""Tokens, releases and assets as the GitHub API shows them, and signed links to storage."""

from __future__ import annotations

import hashlib
import re

import pytest

from tests.support.sandbox_requests import (
    REPOSITORY,
    github_auth,
    github_token,
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


def test_storage_takes_no_second_authentication(http, link):
    """A request with an Authorization header as well as the signature is 400, as at the real storage."""
    answer = http.get(link, headers={"Authorization": "Bearer ghp_" + "x" * 36})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/xml"
    assert "Only one auth mechanism allowed" in answer.text


def test_links_are_signed_and_expire(sandbox, http, link, clock):
    """A changed link, one without a signature and one past its time are 403; a write is refused."""
    assert http.get(link.replace("sig=", "sig=0")).status_code == 403
    assert http.get(link.replace("expires=", "expires=9")).status_code == 403
    assert http.get(link.partition("?")[0]).status_code == 403
    assert http.put(link).status_code == 405
    assert http.get(f"{sandbox.storage_url}/").status_code == 404
    clock.now += sandbox.switches.link_lifetime
    late = http.get(link)
    assert late.status_code == 403
    assert "expired" in late.text


def test_large_wheels_are_served_whole(sandbox, http):
    """16 MiB are streamed whole."""
    release = sandbox.publish("0.7.0", padding=2**24)
    asset = release.assets[0]
    token = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
    ).json()["github_token"]
    link = http.get(
        f"{sandbox.github_url}/repos/nimbusbci/NimbusSDKCore/releases/assets/{asset.id}",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/octet-stream"},
    ).headers["location"]
    state = hashlib.sha256()
    with http.stream("GET", link) as stream:
        for piece in stream.iter_raw(2**18):
            state.update(piece)
    assert state.hexdigest() == asset.sha256
    assert asset.size > 2**24
