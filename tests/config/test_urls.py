"""URLs of which parsers read different hosts or ports."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.cli.ui.sandbox_control import SandboxControl
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.config.urls import SYNTAX, split_url
from nimbus_sdk.core.wheel.github import is_safe_url
from nimbus_sdk.errors import ConfigurationError, NimbusConnectionError
from nimbus_sdk.services import Nexus, NimbusOS
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import Request
from nimbus_sdk.transport.http import encode_request
from nimbus_sdk.transport.network import ExchangeLimits
from nimbus_sdk.transport.proxies import Proxies
from tests.support.examples import examples

PLACES = [
    "[::1]46405",
    "[::1]x",
    "[::1]:",
    "[::1]:+80",
    "[::1]: 80",
    "[::1]:80:80",
    "[::1]:0",
    "[::1]:65536",
    "[::1]:000080",
    "[::1]:٨٠",
    "[::1%lo]",
    "[::1%25lo]:80",
    "[fe80::1%25eth0]",
    "[v1.x]:80",
    "[127.0.0.1]",
    "[localhost]:80",
    "[::1",
    "::1",
    "::1:46405",
    "[[::1]]",
    "[]",
    "x[::1]",
    "127.0.0.1:",
    "localhost:0",
    "localhost:٨٠",
    "local%68ost",
    "localhost%00",
    "127.0.0.1\\@localhost",
    "127.0.0.1\\",
    "local\thost",
    "local host",
    "",
    ":80",
    ".",
    "@",
]
CLEAR = ["[::1]", "[::1]:46405", "127.0.0.1:1", "localhost", "[0:0:0:0:0:0:0:1]:80", "LOCALHOST:65535"]


@pytest.mark.parametrize("place", PLACES)
def test_a_url_that_parsers_read_differently_is_refused_everywhere(monkeypatch, place):
    """As a setting, the base URL of a service, a sandbox, a proxy, a redirect and a request."""
    url = f"http://{place}"
    for variable in ("NIMBUS_SDK_API_URL", "NIMBUS_SDK_GITHUB_URL"):
        with pytest.raises(ConfigurationError, match=variable) as caught:
            Settings.load(environ={variable: url}, directory="/")
        assert SYNTAX in caught.value.hint
    for service in (NimbusOS, Nexus):
        with pytest.raises(ConfigurationError, match="base_url"):
            service(base_url=url)
    with pytest.raises(ConfigurationError, match="not a sandbox"):
        SandboxControl(url, "token")
    monkeypatch.setenv("ALL_PROXY", f"http://user:word@{place}")
    proxy = Proxies.detect().for_url("https://api.nimbusbci.com")
    assert proxy is not None
    with pytest.raises(ConfigurationError, match="ALL_PROXY is not a valid proxy") as caught:
        proxy.for_httpcore(None)  # type: ignore[arg-type]
    assert SYNTAX in caught.value.hint
    assert not is_safe_url(f"https://{place}/file", "http://127.0.0.1:1")
    with pytest.raises(NimbusConnectionError, match="cannot be sent"):
        encode_request(
            Request(name="x", method="GET", url=f"{url}/file?q=1"), ExchangeLimits(Deadline(5.0), 1.0)
        )


@pytest.mark.parametrize("place", CLEAR)
def test_a_clear_url_is_taken_everywhere(place):
    """An IPv6 address in brackets, its port behind a colon."""
    url = f"http://{place}"
    assert Settings.load(environ={"NIMBUS_SDK_API_URL": url}, directory="/").api_url == url
    SandboxControl(url, "token")
    assert is_safe_url(f"{url}/file", url)


def test_the_scheme_of_a_base_url_is_written_small():
    """Its letters do not decide whether the connection is encrypted."""
    assert Settings(api_url="x").api_url == "x"
    assert (
        Settings.load(environ={"NIMBUS_SDK_API_URL": "HTTPS://host"}, directory="/").api_url == "https://host"
    )


@examples(500)
@given(
    user=st.sampled_from(["", "user@", "user:word@", "a@b@"]) | st.text("ab:@/\\[]%", max_size=6),
    place=st.sampled_from([*PLACES, *CLEAR]) | st.text("[]:1aF%@\\/.٨ \t", max_size=12),
    rest=st.sampled_from(["", "/", "/path", "?q", "#f", "/@b", "?@b", "/a:1"]),
)
def test_what_is_taken_every_parser_reads_alike(user, place, rest):
    """urllib and httpx find the same host and the same port in it."""
    url = f"https://{user}{place}{rest}"
    try:
        parts, other = split_url(url), httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return
    assert (parts.hostname, parts.port) == (urlsplit(url).hostname, urlsplit(url).port)
    assert (parts.hostname, parts.port or 443) == (other.host.lower(), other.port or 443)
