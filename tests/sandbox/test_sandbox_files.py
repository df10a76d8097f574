"""The storage host, ranges, and the models' files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox

REPO = "nimbusbci/NimbusSDKCore"


@pytest.fixture
def link(sandbox, http):
    """A signed link to the wheel of the latest release."""
    token = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
    ).json()["github_token"]
    auth = {"Authorization": f"Bearer {token}"}
    release = http.get(f"{sandbox.github_url}/repos/{REPO}/releases/latest", headers=auth).json()
    asset = release["assets"][0]["url"]
    return http.get(asset, headers={**auth, "Accept": "application/octet-stream"}).headers["location"]


def test_storage_serves_whole_files(http, link):
    """Without a range the whole file comes, with what a later resume needs."""
    answer = http.get(link)
    assert answer.status_code == 200
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["etag"].startswith('"')


@pytest.mark.parametrize(
    ("asked", "part", "told"),
    [
        ("bytes=0-9", slice(0, 10), "bytes 0-9/{size}"),
        ("bytes=10-", slice(10, None), "bytes 10-{last}/{size}"),
        ("bytes=-7", slice(-7, None), "bytes {tail}-{last}/{size}"),
        ("bytes=5-999999999", slice(5, None), "bytes 5-{last}/{size}"),
    ],
)
def test_ranges_are_honoured(http, link, asked, part, told):
    """A single range is answered with 206 and exactly those bytes."""
    whole = http.get(link).content
    answer = http.get(link, headers={"Range": asked})
    size = len(whole)
    assert answer.status_code == 206
    assert answer.content == whole[part]
    assert answer.headers["content-range"] == told.format(size=size, last=size - 1, tail=size - 7)


def test_unsatisfiable_ranges_are_416(http, link):
    """A range past the end is 416 and tells the size."""
    size = len(http.get(link).content)
    answer = http.get(link, headers={"Range": f"bytes={size}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert http.get(link, headers={"Range": "bytes=-0"}).status_code == 416


@pytest.mark.parametrize("ignored", ["lines=0-5", "bytes=a-b", "bytes=0-1,4-5", "bytes=-"])
def test_ranges_that_are_none_bring_the_whole(http, link, ignored):
    """Other units, several ranges and nonsense are ignored, as RFC 9110 allows."""
    assert http.get(link, headers={"Range": ignored}).status_code == 200


def test_if_range_resumes_the_same_file_only(http, link):
    """The right entity tag gets the part, any other the whole."""
    etag = http.get(link).headers["etag"]
    same = http.get(link, headers={"Range": "bytes=1-2", "If-Range": etag})
    other = http.get(link, headers={"Range": "bytes=1-2", "If-Range": '"other"'})
    weak = http.get(link, headers={"Range": "bytes=1-2", "If-Range": f"W/{etag}"})
    assert [same.status_code, other.status_code, weak.status_code] == [206, 200, 200]


def test_storage_takes_no_second_authentication(http, link):
    """A request that brings an Authorization header beside the signature is 400, as at the real storage."""
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


def test_a_replaced_release_takes_its_files_along(sandbox, http, link):
    """Publishing a version again removes the assets of the one before."""
    sandbox.publish("0.1.0", padding=10)
    assert http.get(link).status_code == 404


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A registry of two models, one free and one for research."""
    rows = []
    for name, paradigm, kind, tier in (
        ("motor_imagery_4class_v1", "motor_imagery", "NimbusLDA", "free"),
        ("p300_binary_v1", "p300", "NimbusQDA", "research"),
    ):
        data = name.encode() * 1000
        (tmp_path / f"{name}.nimbus").write_bytes(data)
        rows.append(
            {
                "name": name,
                "version": "1.0.0",
                "type": kind,
                "paradigm": paradigm,
                "n_features": 16,
                "n_classes": 4,
                "requires_license": tier,
                "file": f"{name}.nimbus",
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "metadata": {"simulated": True},
            }
        )
    (tmp_path / "registry.json").write_text(json.dumps({"models": rows}))
    return tmp_path


def test_models_are_listed_with_the_tier_they_require(models_dir, http):
    """Every tier sees every model, with a link, a checksum and its required license."""
    with Sandbox(models_dir=models_dir) as sandbox:
        answer = http.get(f"{sandbox.api_url}/v1/models/list", headers={"X-API-Key": sandbox.new_key("free")})
        url = f"{sandbox.api_url}/v1/models/motor_imagery_4class_v1/download"
    assert answer.status_code == 200
    body = answer.json()
    assert body["total"] == 2
    assert body["models"][0] == {
        "name": "motor_imagery_4class_v1",
        "version": "1.0.0",
        "type": "NimbusLDA",
        "paradigm": "motor_imagery",
        "n_features": 16,
        "n_classes": 4,
        "requires_license": "free",
        "size_mb": 0.023,
        "metadata": {"simulated": True},
        "download_url": url,
        "checksum": f"sha256:{hashlib.sha256(b'motor_imagery_4class_v1' * 1000).hexdigest()}",
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"paradigm": "p300"}, ["p300_binary_v1"]),
        ({"type": "NimbusLDA"}, ["motor_imagery_4class_v1"]),
        ({"paradigm": "p300", "type": "NimbusLDA"}, []),
        ({"paradigm": "ssvep"}, []),
    ],
)
def test_the_list_filters_by_paradigm_and_type(models_dir, http, query, names):
    """Both filters narrow the list; total counts what is left."""
    with Sandbox(models_dir=models_dir) as sandbox:
        body = http.get(
            f"{sandbox.api_url}/v1/models/list", params=query, headers={"X-API-Key": sandbox.new_key()}
        ).json()
    assert [model["name"] for model in body["models"]] == names
    assert body["total"] == len(names)


def test_model_files_ask_for_the_tier(models_dir, http):
    """A free key gets the free model and 403 for the research one, which a research key gets in parts too."""
    with Sandbox(models_dir=models_dir) as sandbox:
        base = f"{sandbox.api_url}/v1/models"
        free, research = ({"X-API-Key": sandbox.new_key(tier)} for tier in ("free", "research"))
        whole = http.get(f"{base}/motor_imagery_4class_v1/download", headers=free)
        denied = http.get(f"{base}/p300_binary_v1/download", headers=free)
        part = http.get(f"{base}/p300_binary_v1/download", headers={**research, "Range": "bytes=0-13"})
        missing = http.get(f"{base}/nothing/download", headers=research)
        keyless = http.get(f"{base}/p300_binary_v1/download")
    assert whole.content == b"motor_imagery_4class_v1" * 1000
    assert denied.status_code == 403
    assert denied.json() == {
        "error": "License tier does not cover this",
        "code": "PERMISSION_DENIED",
        "message": "p300_binary_v1 requires the research tier.",
    }
    assert (part.status_code, part.content) == (206, b"p300_binary_v1")
    assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
    assert (keyless.status_code, keyless.json()["code"]) == (400, "MISSING_KEY")


def test_the_reference_models_fit_their_checksums(http):
    """The registry that ships with the sandbox tells true sizes and digests of true files."""
    with Sandbox() as sandbox:
        auth = {"X-API-Key": sandbox.new_key("enterprise")}
        models = http.get(f"{sandbox.api_url}/v1/models/list", headers=auth).json()["models"]
        assert "motor_imagery_4class_v1" in [model["name"] for model in models]
        for model in models:
            data = http.get(model["download_url"], headers=auth).content
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" == model["checksum"]
            assert model["size_mb"] == len(data) / 1e6


def test_a_range_beyond_all_numbers_is_none(http, link):
    """Thousands of digits are no range that anybody means."""
    answer = http.get(link, headers={"Range": f"bytes={'9' * 5000}-"})
    assert answer.status_code == 200
