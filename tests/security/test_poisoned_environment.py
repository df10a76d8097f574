"""Whoever controls a part of the environment does not get the stored key, nor the GitHub token.

Processes of their own, real sockets; the hostile service accepts every key, so that no call ends early.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import DEFAULT_ORIGIN, Settings
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.storage import credentials
from tests.conftest import Fresh
from tests.security.servers import accept_every_key, received_text, recording_proxy, tls_server
from tests.support.raw_server import RawServer, serving

pytestmark = pytest.mark.tiny_core

CALLS = """
import json, os, asyncio
import nimbus_sdk
from nimbus_sdk import aio

CALLS = {
    "install": lambda: nimbus_sdk.install_core(force=True),
    "authenticate": lambda: nimbus_sdk.authenticate(),
    "refresh": lambda: nimbus_sdk.refresh_quota(),
    "models": lambda: nimbus_sdk.list_available_models(),
    "client": lambda: nimbus_sdk.NimbusClient().validate(),
    "token": lambda: nimbus_sdk.NimbusClient().github_token(),
    "event": lambda: nimbus_sdk.NimbusClient().log_event("error"),
    "async": lambda: asyncio.run(aio.install_core(force=True)),
    "revoke": lambda: nimbus_sdk.revoke_api_key(),
}
results = {}
for name in CALLS:
    try:
        CALLS[name]()
        results[name] = "done"
    except nimbus_sdk.NimbusError as error:
        results[name] = type(error).__name__
print(json.dumps(results))
"""
INSTALL = """
import nimbus_sdk
try:
    nimbus_sdk.install_core(force=True, timeout=10)
    print("done")
except nimbus_sdk.NimbusError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def evil() -> Iterator[RawServer]:
    """A hostile service."""
    with serving(accept_every_key) as server:
        yield server


@pytest.fixture
def installed(sandbox: Sandbox, key: str) -> Sandbox:
    """A sandbox that has validated the stored key."""
    nimbus_sdk.install_core(key)
    sandbox.clear_journal()
    return sandbox


def test_a_stored_key_goes_to_no_other_service(installed: Sandbox, key: str, evil: RawServer, forked: Fresh):
    """Whoever sets NIMBUS_SDK_API_URL gets no connection with a stored key, in any call."""
    results = json.loads(forked(CALLS, NIMBUS_SDK_API_URL=evil.url).stdout)
    assert set(results.values()) == {"MissingKeyError"}
    assert evil.connections == 0
    assert json.loads(forked(CALLS).stdout)["revoke"] == "done"


def test_a_key_that_the_user_passes_is_sent_where_the_user_says(
    installed: Sandbox, key: str, evil: RawServer, forked: Fresh
):
    """Passing the key is consent: as an argument, in the environment, at the prompt that names the host."""
    Path("key.txt").write_text(key)
    code = "import nimbus_sdk, pathlib; nimbus_sdk.NimbusClient({}).validate()"
    forked(code.format("pathlib.Path('key.txt').read_text()"), NIMBUS_SDK_API_URL=evil.url)
    forked(code.format(""), NIMBUS_SDK_API_URL=evil.url, NIMBUS_API_KEY=key)
    assert received_text(evil).count(key) == 2
    asked = """
import getpass, nimbus_sdk.storage.key_lookup as sources
sources.is_interactive = lambda: True
getpass.getpass = lambda label: print(label)
import nimbus_sdk
try:
    nimbus_sdk.NimbusClient().validate()
except nimbus_sdk.MissingKeyError:
    pass
"""
    assert f"API key for {evil.url} " in forked(asked, NIMBUS_SDK_API_URL=evil.url).stdout


def test_a_dotenv_leads_nowhere(installed: Sandbox, evil: RawServer, forked: Fresh, isolated_home: Path):
    """A cloned repository's .env names other hosts, another repository, another home: nothing goes there."""
    planted = isolated_home / "planted"
    lines = {
        "NIMBUS_SDK_API_URL": evil.url,
        "NIMBUS_SDK_GITHUB_URL": evil.url,
        "NIMBUS_SDK_CORE_REPO": "evil/core",
        "NIMBUS_SDK_HOME": planted,
        "NIMBUS_SDK_API_KEY_FILE": "/etc/passwd",
        "NIMBUS_SDK_CREDENTIAL_STORE": "none",
        "HTTPS_PROXY": evil.url,
        "SSL_CERT_FILE": isolated_home / "evil.pem",
        "PYTHONPATH": planted,
    }
    (isolated_home / "work" / ".env").write_text(
        "".join(f"{name}={value}\n" for name, value in lines.items())
    )
    done = forked(CALLS)
    assert set(json.loads(done.stdout).values()) == {"done"}
    assert evil.connections == 0
    assert not planted.exists()
    assert "NIMBUS_SDK_API_URL" in done.stderr, "a warning says that lines were ignored"
    assert [one.endpoint for one in installed.journal()][:4] == [
        "validate",
        "github_token",
        "release",
        "asset",
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NIMBUS_SDK_GITHUB_URL", "https://github.evil.example"),
        ("NIMBUS_SDK_CORE_REPO", "evil/NimbusSDKCore"),
    ],
)
def test_the_services_token_and_core_have_one_source(
    forked: Fresh, isolated_home: Path, variable: str, value: str
):
    """One variable is not enough to send the token elsewhere, or to download the core from elsewhere."""
    key = _stored_for_the_real_service()
    with (
        tls_server(accept_every_key, isolated_home / "root.pem") as server,
        recording_proxy(server.port) as proxy,
    ):
        trusted = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(isolated_home / "root.pem")}
        results = forked(INSTALL, **trusted, **{variable: value}).stdout
    assert results.startswith(f"ConfigurationError {variable} is {value}")
    assert [one.line.split()[1] for one in server.requests] == ["/v1/auth/validate"]
    assert proxy.hosts == ["api.nimbusbci.com:443"]
    assert key in received_text(server)


def test_a_proxy_sees_hosts_and_sizes_alone(forked: Fresh, isolated_home: Path):
    """Whoever sets HTTPS_PROXY learns which hosts are contacted, and nothing of the content."""
    key = _stored_for_the_real_service()
    with (
        tls_server(accept_every_key, isolated_home / "root.pem") as server,
        recording_proxy(server.port) as proxy,
    ):
        trusted = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(isolated_home / "root.pem")}
        results = forked(INSTALL, **trusted).stdout
    assert results.startswith("CoreDownloadError"), "the server behind the proxy has no release"
    assert proxy.hosts == ["api.nimbusbci.com:443"] * 2 + ["api.github.com:443"]
    assert key in received_text(server)
    assert "Bearer ghs_" in received_text(server)
    for secret in (key.encode(), key[10:30].encode(), b"ghs_", b"usr_1"):
        assert secret not in proxy.passed


def test_a_proxy_that_opens_connections_is_refused(forked: Fresh, isolated_home: Path):
    """With a certificate that this machine does not trust, not one byte of a request is sent."""
    _stored_for_the_real_service()
    with (
        tls_server(accept_every_key, isolated_home / "root.pem") as server,
        recording_proxy(server.port) as proxy,
    ):
        results = forked(INSTALL, HTTPS_PROXY=proxy.url).stdout
    assert results.startswith("NimbusConnectionError The certificate of api.nimbusbci.com is not trusted")
    assert proxy.hosts == ["api.nimbusbci.com:443"]
    assert server.requests == []


def test_no_secret_of_a_connection_is_written_down(forked: Fresh, isolated_home: Path):
    """SSLKEYLOGFILE, which would open every recorded connection, gets none of ours."""
    _stored_for_the_real_service()
    log = isolated_home / "secrets.log"
    with (
        tls_server(accept_every_key, isolated_home / "root.pem") as server,
        recording_proxy(server.port) as proxy,
    ):
        trusted = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(isolated_home / "root.pem")}
        forked("import nimbus_sdk; nimbus_sdk.authenticate()", **trusted, SSLKEYLOGFILE=str(log))
    assert len(server.requests) == 1
    assert not log.exists()


def test_forged_metadata_opens_nothing(installed: Sandbox, key: str, evil: RawServer, forked: Fresh):
    """Metadata beside a stored key cannot send it elsewhere, even if it names that very key."""
    paths = Settings.load().paths
    metadata = json.loads(Path(paths.key_metadata).read_text())
    Path(paths.key_metadata).write_text(json.dumps({**metadata, "origin": evil.url}))
    results = json.loads(forked(CALLS, NIMBUS_SDK_API_URL=evil.url).stdout)
    assert set(results.values()) == {"MissingKeyError"}
    assert evil.connections == 0


def _stored_for_the_real_service() -> str:
    key = "nbci_live_" + "c0ffee" * 8
    settings = Settings(home=os.environ["NIMBUS_SDK_HOME"], credential_store="file")
    credentials.save_key(settings, ApiKey.parse(key), DEFAULT_ORIGIN)
    return key
