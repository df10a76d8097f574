"""Redirects are followed by hand, and the token stays with GitHub."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.github import open_asset
from nimbus_sdk.errors import CoreDownloadError, NimbusConnectionError, RateLimitError, ServerError
from tests.support.wheels import answer, play

SETTINGS = Settings()
LOCAL = Settings(github_url="http://127.0.0.1:4000/github")
RAW = "ghs_" + "t" * 36
TOKEN = SecretStr(RAW)
ASSET = "https://api.github.com/repos/nimbusbci/NimbusSDKCore/releases/assets/7"
SIGNED = "https://objects.example.net/blob?sig=s3cret"


def fetch(*replies, settings: Settings = SETTINGS):
    """Play the fetching of an asset."""
    return play(open_asset(settings, TOKEN, 7, name="asset", subject="core.whl"), *replies)


def to(location: str, status: int = 302):
    """A redirect."""
    return answer(status, b"", location=location)


def test_the_asset_is_asked_for_by_its_number():
    """The address is built from the repository and the number, with the media type that gives bytes."""
    settings = Settings(timeout=300.0)
    found, (call,) = fetch(answer(200, b"bytes"), settings=settings)
    assert found.body == b"bytes"
    assert call.url == ASSET
    assert call.headers["Accept"] == "application/octet-stream"
    assert call.headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert call.auth.secret == RAW
    assert call.silence == settings.timeout


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_storage_carries_no_token(status):
    """The storage host gets no authentication at all; nor would it accept two."""
    found, (_, storage) = fetch(to(SIGNED, status), answer(206, b"part"))
    assert found.status == 206
    assert (storage.name, storage.url, storage.auth) == ("storage", SIGNED, None)
    assert storage.headers == {"Accept": "application/octet-stream", "Accept-Encoding": "identity"}
    assert storage.settling == frozenset()


def test_a_redirect_within_github_keeps_the_token():
    """A repository that was renamed is found under its new address, by the same token."""
    _, (_, second) = fetch(to("/repositories/1/releases/assets/7"), answer(200))
    assert second.url == "https://api.github.com/repositories/1/releases/assets/7"
    assert second.auth.secret == RAW


@pytest.mark.parametrize(
    "other", ["https://api.github.com:8443/x", "https://api.github.com.evil.net/x", "https://github.com/x"]
)
def test_the_same_host_in_part_is_another_host(other):
    """Scheme, host and port must all be GitHub's for the token to be sent."""
    _, (_, second) = fetch(to(other), answer(200))
    assert second.auth is None


@pytest.mark.parametrize(
    "location",
    [
        "http://objects.example.net/blob",
        "http://127.0.0.1:4000/blob",
        "ftp://objects.example.net/blob",
        "file:///etc/passwd",
        "https://",
        "https://user:password@objects.example.net/blob",
        "https://objects.example.net:port/blob",
        "https://[::1/blob",
        "javascript:alert(1)",
        "",
        ASSET,
        f"{ASSET}#again",
        "https://objects.example.net/a\u202eb",
    ],
)
def test_other_redirects_are_not_followed(location):
    """Only https is followed, and nothing that is no plain address."""
    with pytest.raises(CoreDownloadError, match="redirected"):
        fetch(to(location))


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:5000/blob", "http://localhost/x", "http://[::1]:5000/x"]
)
def test_loopback_may_redirect_to_loopback(location):
    """A local GitHub may send us to a local storage host, over plain http."""
    _, (_, storage) = fetch(to(location), answer(200), settings=LOCAL)
    assert (storage.url, storage.auth) == (location, None)


def test_loopback_may_not_redirect_to_plain_http_elsewhere():
    """Plain http never leaves this machine."""
    with pytest.raises(CoreDownloadError, match=r"http://10\.0\.0\.1, which is not followed"):
        fetch(to("http://10.0.0.1/blob"), settings=LOCAL)


def test_three_redirects_are_followed_and_no_more():
    """A chain of redirects ends."""
    found, calls = fetch(to(f"{SIGNED}1"), to("/two"), to("three"), answer(200))
    assert [call.url.rpartition("/")[2] for call in calls[1:]] == ["blob?sig=s3cret1", "two", "three"]
    assert found.status == 200
    with pytest.raises(CoreDownloadError, match="more than 3 times"):
        fetch(to(f"{SIGNED}1"), to("/two"), to("three"), to("four"))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_expired_address_is_asked_for_again(status):
    """Signed addresses live for minutes: one more round starts at GitHub."""
    found, calls = fetch(to(SIGNED), answer(status), to(f"{SIGNED}2"), answer(200, b"bytes"))
    assert found.body == b"bytes"
    assert [call.name for call in calls] == ["asset", "storage", "asset", "storage"]


def test_a_storage_host_that_refuses_twice_is_reported():
    """One more round, not many; and the signed address is not in the message."""
    with pytest.raises(CoreDownloadError, match=r"storage host refused core\.whl \(403\)") as caught:
        fetch(to(SIGNED), answer(403), to(SIGNED), answer(403))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "temporary token"), (403, "denied access to core.whl"), (404, "GitHub has no core.whl")],
)
def test_githubs_own_refusal_is_not_tried_again(status, words):
    """GitHub's word is final: no second round."""
    with pytest.raises(CoreDownloadError, match=words):
        fetch(answer(status, {}))


def test_a_range_that_is_not_there_is_an_answer():
    """416 is for the caller, who knows what was asked for."""
    assert fetch(answer(416))[0].status == 416


def test_other_refusals_become_download_errors():
    """A refusal by GitHub or its storage is never an error about the Nimbus API."""
    with pytest.raises(
        CoreDownloadError, match=r"GitHub could not send core\.whl: The host is being repaired"
    ):
        fetch(ServerError("The host is being repaired.", status=502))


def test_a_limit_on_requests_stays_one():
    """Who waits as long as it asks for gets the wheel."""
    with pytest.raises(RateLimitError, match="no") as caught:
        fetch(RateLimitError("no", status=403, retry_after=120.0))
    assert caught.value.retry_after == 120.0


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_quotes_githubs_reason(status):
    """In one line, without the token."""
    body = {"message": f"Resource not accessible\nby {TOKEN.get_secret_value()}.", "documentation_url": "x"}
    with pytest.raises(CoreDownloadError, match=r": Resource not accessible by …\.") as caught:
        fetch(answer(status, body))
    assert TOKEN.get_secret_value() not in str(caught.value)


def test_a_403_without_a_reason_may_be_a_proxys():
    """GitHub always gives one."""
    with pytest.raises(CoreDownloadError, match="a proxy may have answered"):
        fetch(answer(403, b"<html>blocked</html>"))


def test_a_broken_connection_is_left_to_the_caller():
    """What a lost connection means depends on what was under way."""
    with pytest.raises(NimbusConnectionError):
        fetch(NimbusConnectionError("gone"))
