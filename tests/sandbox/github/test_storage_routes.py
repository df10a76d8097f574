"""The storage host: signed links and their expiry."""

from __future__ import annotations

import hashlib


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
