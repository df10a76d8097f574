"""What GitHub says is published: read defensively, and the wheel that fits is chosen."""

from __future__ import annotations

import contextlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import sys_tags
from pydantic import SecretStr

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.release import Asset, Release, choose_wheel, expected_digest, find_release
from nimbus_sdk.errors import (
    ConfigurationError,
    CoreDownloadError,
    CoreIncompatibleError,
    CoreIntegrityError,
)
from tests.support.wheels import answer, play

SETTINGS = Settings()
RAW = "ghs_" + "t" * 36
TOKEN = SecretStr(RAW)
DIGEST = "ab" * 32
WHEEL = {
    "id": 7,
    "name": "nimbus_sdk_core-1.2.0-py3-none-any.whl",
    "size": 1000,
    "digest": f"sha256:{DIGEST}",
}
RELEASE = {"tag_name": "v1.2.0", "assets": [WHEEL], "body": "Faster.\n"}


def find(body: object, version: str | None = None) -> Release:
    """The release that an answer stands for."""
    release, _ = play(find_release(SETTINGS, TOKEN, version), answer(200, body))
    return release


def test_the_latest_release_is_asked_for_as_github_documents():
    """One request, with GitHub's media type and version, and the token bound to GitHub's origin."""
    release, (call,) = play(find_release(SETTINGS, TOKEN), answer(200, RELEASE))
    assert release == Release(
        "1.2.0", (Asset(id=7, name=WHEEL["name"], size=1000, digest=f"sha256:{DIGEST}"),)
    )
    assert (call.name, call.method) == ("release", "GET")
    assert call.url == "https://api.github.com/repos/nimbusbci/NimbusSDKCore/releases/latest"
    assert call.headers["Accept"] == "application/vnd.github+json"
    assert call.headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert call.auth.headers(call.url) == {"Authorization": f"Bearer {RAW}"}
    assert RAW not in repr(call)


@pytest.mark.parametrize("asked", ["1.2.0", "v1.2.0", "1.2"])
def test_one_version_is_asked_for_by_its_tag(asked):
    """A version that was named is looked up under its tag."""
    release, (call,) = play(find_release(SETTINGS, TOKEN, asked), answer(200, RELEASE))
    assert release.version == "1.2.0"
    assert call.url.endswith(f"/releases/tags/v{asked.removeprefix('v')}")


@pytest.mark.parametrize("asked", ["../../user", "latest", "", "1.0/../..", "1.0?x=1", "9" * 200 + "x"])
def test_a_version_that_is_none_is_refused_before_anything_is_sent(asked):
    """No text reaches a URL that is not a version."""
    with pytest.raises(ConfigurationError):
        play(find_release(SETTINGS, TOKEN, asked))


def test_another_version_than_asked_for_is_refused():
    """GitHub's answer must be about the version in question."""
    with pytest.raises(CoreDownloadError, match=r"1\.2\.0 instead of 1\.3"):
        find(RELEASE, "1.3")


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "gh\u00f6", "nul\0"])
def test_a_token_that_is_none_is_not_sent(token):
    """What cannot stand in a header is refused, and not repeated in the message."""
    with pytest.raises(CoreDownloadError) as caught:
        play(find_release(SETTINGS, SecretStr(token)))
    assert token.strip() == "" or token not in str(caught.value)


def test_a_line_break_around_the_token_is_dropped():
    """A token that ends in a line break is sent without it."""
    _, (call,) = play(find_release(SETTINGS, SecretStr(f"{RAW}\n")), answer(200, RELEASE))
    assert call.auth.secret == RAW


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>log in</html>",
        b"[" * 100_000,
        b'{"tag_name": 1e999, "assets": []}',
        None,
        [],
        "v1.2.0",
        {},
        {"tag_name": None, "assets": []},
        {"tag_name": ["v1"], "assets": []},
        {"tag_name": "newest", "assets": []},
        {"tag_name": "v1" * 1000, "assets": []},
        {"tag_name": "v1.2.0"},
        {"tag_name": "v1.2.0", "assets": None},
        {"tag_name": "v1.2.0", "assets": {"0": WHEEL}},
        {"tag_name": "v1.2.0", "assets": [WHEEL] * 1001},
        {"tag_name": "v1.2.0", "assets": ["wheel"]},
        {"tag_name": "v1.2.0", "assets": [None]},
        {"tag_name": "v1.2.0", "assets": [{}]},
        *(
            {"tag_name": "v1.2.0", "assets": [{**WHEEL, **wrong}]}
            for wrong in (
                {"id": None},
                {"id": "7"},
                {"id": True},
                {"id": -7},
                {"id": 7.5},
                {"id": 2**63},
                {"name": None},
                {"name": ""},
                {"name": "x" * 256},
                {"name": "a\nb"},
                {"name": 5},
                {"size": None},
                {"size": "1000"},
                {"size": -1},
                {"size": True},
                {"size": 2**40},
                {"digest": 5},
                {"digest": ["sha256"]},
            )
        ),
    ],
)
def test_an_answer_of_another_shape_is_a_download_error(body):
    """Whatever comes in place of a release is reported in our words."""
    with pytest.raises(CoreDownloadError):
        find(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tag_name", "assets", "id", "name", "size", "digest", "body", "state"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_escapes_as_a_foreign_error(body):
    """Any JSON at all is a release or a download error."""
    with contextlib.suppress(CoreDownloadError):
        assert isinstance(find(body), Release)


@given(st.text(max_size=200), st.lists(st.text(max_size=40), max_size=4))
def test_no_notes_escape_as_a_foreign_error(notes, lines):
    """Release notes are prose; whatever is in them is no failure."""
    body = "\n".join([notes, *(f"Requires-Dist: {line}" for line in lines), f"Requires-Python: {notes}"])
    assert find({**RELEASE, "body": body}).version == "1.2.0"


def test_requirements_are_read_from_the_notes():
    """Lines in the notes tell requirements before a download, also as a list or as code; prose is skipped."""
    notes = (
        "Faster than ever.\r\n"
        "- `Requires-Dist: numpy>=1.26`\r\n"
        "Requires-Dist: scipy>=1.11; extra == 'full'\r\n"
        "Requires-Dist: what you like!\r\n"
        "* Requires-Python: >=3.11\r\n"
        "It has no Requires-Dist: x of this kind."
    )
    release = find({**RELEASE, "body": notes})
    assert release.requires == ("numpy>=1.26", 'scipy>=1.11; extra == "full"')
    assert release.requires_python == ">=3.11"
    assert find({**RELEASE, "body": None}).requires == ()


def test_unfinished_uploads_are_passed_over():
    """An asset that is still being uploaded is not there yet."""
    assets = [{**WHEEL, "state": "starter", "size": 0}, {**WHEEL, "id": 8, "state": "uploaded"}]
    assert [asset.id for asset in find({**RELEASE, "assets": assets}).assets] == [8]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer(401, {}), ["refused the temporary token", "Run it again"]),
        (answer(403, {}), ["denied access", "proxy"]),
        (answer(403, {"message": "Not for you"}), ["denied access", "Not for you.", "hello@nimbusbci.com"]),
        (answer(404, {}), ["has no release 1.2.0 of the core", "NIMBUS_SDK_CORE_REPO"]),
    ],
)
def test_refusals_by_github_are_reported_with_what_to_do(reply, words):
    """Each refusal is a download error that says what to do, and never one about the API key."""
    with pytest.raises(CoreDownloadError) as caught:
        play(find_release(SETTINGS, TOKEN, "1.2.0"), reply)
    for word in words:
        assert word in str(caught.value)
    assert RAW not in str(caught.value)


def wheels(*names: str, version: str = "1.2.0") -> Release:
    """A release with assets of these names."""
    return Release(
        version, tuple(Asset(id=number, name=name, size=10) for number, name in enumerate(names, 1))
    )


def test_the_most_specific_wheel_that_fits_is_chosen():
    """Of several that fit, the one first in the interpreter's own order of tags is taken."""
    best = next(iter(sys_tags()))
    release = wheels(
        "nimbus_sdk_core-1.2.0-py3-none-any.whl",
        f"nimbus_sdk_core-1.2.0-{best}.whl",
        "nimbus_sdk_core-1.2.0-cp27-cp27m-win32.whl",
    )
    assert choose_wheel(release).id == 2


def test_a_higher_build_number_wins():
    """Of two builds of one wheel, the later is taken."""
    release = wheels(
        "nimbus_sdk_core-1.2.0-py3-none-any.whl",
        "nimbus_sdk_core-1.2.0-2-py3-none-any.whl",
        "nimbus_sdk_core-1.2.0-10x-py3-none-any.whl",
    )
    assert choose_wheel(release).id == 3


def test_two_assets_with_one_number_are_no_failure():
    """GitHub's numbers are unique; in an answer where they are not, the first of them is chosen."""
    named = {"id": 7, "name": "nimbus_sdk_core-1.2.0-py3-none-any.whl"}
    release = Release("1.2.0", (Asset(**named, size=10), Asset(**named, size=20)))
    assert choose_wheel(release).size == 10


def test_other_files_are_ignored():
    """Other projects, other versions, and files that are no wheels are not looked at."""
    release = wheels(
        "nimbus_sdk-1.2.0-py3-none-any.whl",
        "nimbus_sdk_core-1.1.0-py3-none-any.whl",
        "nimbus_sdk_core-1.2.0.tar.gz",
        "SHA256SUMS",
        "../nimbus_sdk_core-1.2.0-py3-none-any.whl",
        "nimbus_sdk_core-1.2.0-py3-none-any.whl",
    )
    assert choose_wheel(release).id == 6


def test_no_wheel_that_fits_is_reported_with_what_there_is():
    """The message lists what was published and what this interpreter wants."""
    with pytest.raises(CoreIncompatibleError) as caught:
        choose_wheel(wheels("nimbus_sdk_core-1.2.0-cp27-cp27m-win32.whl"))
    assert "cp27-cp27m-win32" in str(caught.value)
    assert f"cp{sys.version_info[0]}{sys.version_info[1]}" in str(caught.value)
    with pytest.raises(CoreIncompatibleError, match="no wheel at all"):
        choose_wheel(wheels())


def digest(release: Release, *replies) -> str:
    """What the first asset must hash to, and the calls that took."""
    return play(expected_digest(SETTINGS, release, release.assets[0], TOKEN), *replies)


NAME = "nimbus_sdk_core-1.2.0-py3-none-any.whl"


def test_githubs_own_digest_needs_no_further_request():
    """The digest in the release is taken as it is, in lower case."""
    release = Release("1.2.0", (Asset(id=7, name=NAME, size=10, digest=f"sha256:{DIGEST.upper()}"),))
    assert digest(release) == (DIGEST, [])


@pytest.mark.parametrize("published", [None, "md5:abc", "sha256:short", ""])
@pytest.mark.parametrize("name", ["SHA256SUMS", "sha256sums.txt"])
def test_the_checksum_file_counts_where_there_is_no_digest(name, published):
    """SHA256SUMS is fetched as an asset, and its line for the wheel is taken."""
    release = Release(
        "1.2.0", (Asset(id=7, name=NAME, size=10, digest=published), Asset(id=8, name=name, size=200))
    )
    sums = f"{'0' * 64}  other.whl\n{DIGEST} *./dist/{NAME}\n\nnonsense\n".encode()
    found, (call,) = digest(release, answer(200, sums))  # type: ignore[str-unpack]
    assert found == DIGEST
    assert call.url.endswith("/releases/assets/8")  # type: ignore[attr-defined]
    assert call.headers["Accept"] == "application/octet-stream"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("sums", "reason"),
    [
        (b"", "SHA256SUMS has none for it"),
        (b"\xff" * 100, "SHA256SUMS has none for it"),
        (f"{DIGEST}  other.whl".encode(), "SHA256SUMS has none for it"),
        (f"{DIGEST}  {NAME}\n{'1' * 64}  {NAME}".encode(), "SHA256SUMS has more than one for it"),
    ],
)
def test_a_checksum_file_without_one_line_for_it_is_refused(sums, reason):
    """No checksum, or two that differ, is as good as none, and the error says which."""
    release = Release("1.2.0", (Asset(id=7, name=NAME, size=10), Asset(id=8, name="SHA256SUMS", size=200)))
    with pytest.raises(CoreIntegrityError, match=reason):
        digest(release, answer(200, sums))


def test_no_checksum_anywhere_is_refused():
    """What nobody vouches for is not downloaded."""
    with pytest.raises(CoreIntegrityError, match="not downloaded: the release has no checksums"):
        digest(Release("1.2.0", (Asset(id=7, name=NAME, size=10),)))
