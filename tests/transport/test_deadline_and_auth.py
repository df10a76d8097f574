"""One deadline for all, and a secret that only one origin may see."""

import pytest

from nimbus_sdk.config.settings import origin
from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import HeaderAuth


def test_a_deadline_counts_down_to_nothing_and_not_below():
    """What is left shrinks with the clock and stops at zero."""
    now = [100.0]
    deadline = Deadline(30, clock=lambda: now[0])
    now[0] = 129.5
    assert deadline.remaining() == 0.5
    now[0] = 500.0
    assert deadline.remaining() == 0.0


def test_a_part_has_its_own_deadline_and_never_more_than_the_whole():
    """A patience shortens the time of one part; a longer one gives no more than is left."""
    now = [0.0]
    deadline = Deadline(10, clock=lambda: now[0])
    now[0] = 4.0
    assert deadline.within(2.0).remaining() == 2.0
    assert deadline.within(60.0).remaining() == 6.0
    assert deadline.within(None).remaining() == 6.0
    deadline.extend(5.0)
    assert deadline.remaining() == 11.0


def auth(prefix=""):
    """A credential for the API."""
    return HeaderAuth("X-API-Key", "s3cret", origin("https://api.nimbusbci.com"), prefix)


def test_a_credential_goes_to_its_origin_with_its_prefix():
    """The three systems' headers are values of one thing."""
    assert auth().headers("https://API.nimbusbci.com:443/v1/x?a=b") == {"X-API-Key": "s3cret"}
    assert auth("Bearer ").headers("https://api.nimbusbci.com/") == {"X-API-Key": "Bearer s3cret"}


@pytest.mark.parametrize(
    "url",
    [
        "http://api.nimbusbci.com/v1",
        "https://api.nimbusbci.com:8443/v1",
        "https://api.nimbusbci.com.evil.example/v1",
        "https://evil.example/api.nimbusbci.com",
        "https://api.nimbusbci.com@evil.example/",
        "//api.nimbusbci.com/v1",
    ],
)
def test_a_credential_never_goes_to_another_origin(url):
    """Another scheme, port or host gets an error in the SDK and no header."""
    with pytest.raises(ConfigurationError, match="was not sent") as caught:
        auth().headers(url)
    assert "s3cret" not in str(caught.value)


def test_a_credential_is_not_shown():
    """Its repr names the header and the origin, not the secret."""
    assert "s3cret" not in repr(auth())
