"""Which way a request goes: what the proxy variables and the system say, read as other programs read them."""

import sys
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.transport import proxies
from nimbus_sdk.transport.proxies import Proxies, Proxy, proxy_for

API = "https://api.nimbusbci.com/v1/x"
PROXY = "http://proxy.example:3128"


def goes_straight(url, no_proxy):
    """Whether no proxy is used for a URL, with a proxy for all and these exceptions."""
    return Proxies({"all": Proxy(PROXY)}, tuple(no_proxy.split(","))).for_url(url) is None


@pytest.mark.parametrize(
    ("url", "variables", "proxy"),
    [
        (API, {}, None),
        (API, {"HTTPS_PROXY": "http://a:1"}, "http://a:1"),
        (API, {"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "http://a:1"),
        (API, {"all_proxy": "http://a:1"}, "http://a:1"),
        (API, {"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "http://b:1"),
        (API, {"HTTP_PROXY": "http://a:1"}, None),
        ("http://host/", {"HTTP_PROXY": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "http://a:1"),
        (API, {"HTTPS_PROXY": "a:1"}, "http://a:1"),
        (API, {"HTTPS_PROXY": ""}, None),
        (API, {"HTTPS_PROXY": " \t"}, None),
        (API, {"HTTPS_PROXY": " http://a:1\n"}, "http://a:1"),
        (API, {"ALL_PROXY": '"a:1"'}, "http://a:1"),
        (API, {"HTTPS_PROXY": "'http://a:1'", "NO_PROXY": '"nimbusbci.com"'}, None),
        (API, {"HTTPS_PROXY": "http://a:1", "NO_PROXY": "*"}, None),
        (API, {"HTTPS_PROXY": "http://a:1", "NO_PROXY": "other, *"}, None),
        (API, {"HTTPS_PROXY": "http://a:1", "NO_PROXY": "other", "no_proxy": "nimbusbci.com"}, None),
        (API, {"HTTPS_PROXY": "http://a:1", "NO_PROXY": "other nimbusbci.com"}, None),
    ],
)
def test_the_variables_decide(monkeypatch, url, variables, proxy):
    """The scheme's own before the one for all, small letters before capitals."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == (None if proxy is None else Proxy(proxy))


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        (API, "nimbusbci.com"),
        (API, "NimbusBCI.com"),
        (API, "api.nimbusbci.com"),
        (API, ".nimbusbci.com"),
        (API, "*.nimbusbci.com"),
        (API, "api.nimbusbci.com:443"),
        (API, "https://api.nimbusbci.com"),
        (API, "https://api.nimbusbci.com/"),
        (API, "all://*nimbusbci.com"),
        (API, "https://"),
        ("https://host:8443/", "host:8443"),
        ("https://10.1.2.3/", "10.1.2.3"),
        ("https://10.1.2.3/", "10.0.0.0/8"),
        ("https://10.1.2.3/", "10.1.2.77/24"),
        ("https://10.1.2.3:8/", "10.1.2.3:8"),
        ("https://[fd00::5]/", "fd00::/8"),
        ("https://[fd00::5]/", "[fd00::]/8"),
        ("https://[fd00::5]/", "fd00:0::5"),
        ("https://[fd00::5]:8/", "[fd00::5]"),
        ("https://[fd00::5]:8/", "[fd00::5]:8"),
        ("https://[fd00::5]:8/", "other,::1,10.0.0.0/8,fd00::/8"),
        ("http://127.0.0.2:1/", "other"),
        ("http://[0:0:0:0:0:0:0:1]:1/", "other"),
    ],
)
def test_what_no_proxy_names_is_reached_directly(url, no_proxy):
    """Hosts, domains, ports, addresses and networks of both versions; this machine in any case."""
    assert goes_straight(url, no_proxy)


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        (API, "other"),
        (API, "bci.com"),
        (API, "nimbusbci.com.evil.example"),
        ("https://nimbusbci.com/", ".nimbusbci.com"),
        (API, "api.nimbusbci.com:8443"),
        (API, "http://api.nimbusbci.com"),
        (API, "https://nimbusbci.com"),
        (API, "10.0.0.0/8"),
        (API, "fd00::/8"),
        (API, "0.0.0.0/0"),
        ("https://11.1.2.3/", "10.0.0.0/8"),
        ("https://10.1.2.3/", "3"),
        ("https://10.1.2.3/", "10.0.0.0/99"),
        ("https://10.1.2.3:9/", "10.1.2.3:8"),
        ("https://[fe00::5]/", "fd00::/8"),
        ("https://[fd00::5]/", "10.0.0.0/8"),
        ("https://127.0.0.1.example/", "127.0.0.0/8"),
    ],
)
def test_nothing_else_is(url, no_proxy):
    """Neither a longer name that ends alike nor another port, scheme or network."""
    assert not goes_straight(url, no_proxy)


@given(no_proxy=st.text(st.sampled_from("[]:/.*%@,0f1a-\u2603"), max_size=24) | st.text(max_size=24))
@pytest.mark.parametrize("url", [API, "https://[fd00::5]:8/", "https://10.1.2.3/"])
def test_any_text_in_no_proxy_is_an_answer(url, no_proxy):
    """No error is raised, whatever it contains."""
    assert goes_straight(url, no_proxy) in (True, False)


def test_the_systems_own_setting_counts_with_its_exceptions(monkeypatch):
    """Without variables, on other platforms: both come from the system, and urllib asks it."""
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": PROXY})
    monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host: host.endswith(".corp"))
    assert proxy_for(API) == Proxy(PROXY)
    assert proxy_for("https://github.corp/") is None
    monkeypatch.setenv("NO_PROXY", "other")
    assert proxy_for("https://github.corp/") == Proxy(PROXY)


@pytest.mark.parametrize(
    "proxy", ["http://someone:pa55@a:1", "someone:pa55@a:1", "socks5://someone:p@pa55@a:1"]
)
def test_a_proxy_is_shown_without_its_password(monkeypatch, proxy):
    """Whatever its scheme, in a text for people and in a traceback with variables."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    shown = str(proxy_for(API))
    assert shown.endswith("://…@a:1")
    assert "pa55" not in shown + repr(Proxies.detect())


def test_asking_for_the_proxy_loads_no_network_library(fresh):
    """The doctor asks, also where nothing is sent."""
    code = "import sys; from nimbus_sdk.transport.proxies import proxy_for; print('httpcore' in sys.modules)"
    assert fresh(code).stdout == "False\n"


def test_a_forked_process_on_macos_does_not_ask_the_system(monkeypatch):
    """There the system's answer ends a forked process, so that the variables alone count in it."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": PROXY})
    monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host: False)
    assert Proxies.detect().for_url("https://api.example") is not None
    monkeypatch.setattr(proxies, "_is_fork", True)
    assert Proxies.detect().for_url("https://api.example") is None
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert Proxies.detect().for_url("https://api.example") is not None
