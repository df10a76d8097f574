"""The services behind nginx on the far host, and processes of users on the near one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.networks.daemons import nginx
from tests.support.networks import Network

API, STORAGE = "api.nimbus.example", "storage.nimbus.example"
SERVICE = "198.51.100.7"
PROXY = "198.51.100.31"

SERVER = """
server {{
    listen {address}:443 ssl;
    server_name {name};
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    ssl_protocols TLSv1.2 TLSv1.3;
    {options}
    location / {{
        proxy_pass {target};
        proxy_redirect {storage}/ https://{storage_name}/;
        proxy_buffering off;
    }}
}}
"""


@dataclass(frozen=True)
class Done:
    """What a process printed, and how it ended."""

    code: int
    text: str


@dataclass
class Service:
    """A sandbox on the far host, and what a process on the near host needs to use it.

    Attributes:
        network: The two hosts.
        sandbox: The services, on loopback of the far host.
        authority: Signs the certificate of the front.
        certificate: Certificate and key of the front, in one PEM file.
        folder: For files.
        environ: The environment of processes on the near host.
    """

    network: Network
    sandbox: Sandbox
    authority: trustme.CA
    certificate: Path
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def servers(self, options: str = "") -> str:
        """Return the ``server`` blocks of nginx for the API and the storage host."""
        sandbox = self.sandbox
        shared = {
            "address": SERVICE,
            "certificate": self.certificate,
            "storage": sandbox.storage_url,
            "storage_name": STORAGE,
            "options": options,
        }
        return SERVER.format(name=API, target=sandbox.api_url, **shared) + SERVER.format(
            name=STORAGE, target=sandbox.storage_url, **shared
        )

    def start(self, code: str, **environ: str) -> subprocess.Popen[str]:
        """Start a process of a user on the near host."""
        return self.network.near.run(
            lambda: subprocess.Popen(
                [sys.executable, "-c", code],
                env={**os.environ, **self.environ, **environ},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )

    def run(self, code: str, **environ: str) -> Done:
        """Run a process of a user on the near host to its end."""
        process = self.start(code, **environ)
        text, _ = process.communicate(timeout=600)
        # Shown with -rP or -s: the figures of docs/reliability.md.
        print(text.strip())
        return Done(process.returncode, text)


@pytest.fixture
def bare_service(network: Network, tmp_path: Path, wheel_dir: Path) -> Iterator[Service]:
    """The services without a front: nobody answers at their names."""
    unlimited = dict.fromkeys(("validate", "refresh", "revoke", "github_token", "models", "analytics"))
    sandbox = Sandbox(wheel_dir=wheel_dir, limits=unlimited)
    authority = trustme.CA()
    certificate, root = tmp_path / "front.pem", tmp_path / "root.pem"
    authority.issue_cert(API, STORAGE).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(root))
    network.far.run(sandbox.start)
    try:
        with network.names({API: [SERVICE], STORAGE: [SERVICE]}):
            environ = {
                "NIMBUS_SDK_API_URL": f"https://{API}",
                "NIMBUS_SDK_GITHUB_URL": f"https://{API}/github",
                "NIMBUS_API_KEY": sandbox.new_key("research"),
                "SSL_CERT_FILE": str(root),
            }
            yield Service(network, sandbox, authority, certificate, tmp_path, environ)
    finally:
        sandbox.stop()


@pytest.fixture
def service(bare_service: Service) -> Iterator[Service]:
    """The services behind nginx."""
    with nginx(bare_service.network.far, bare_service.folder / "nginx", bare_service.servers(), SERVICE):
        yield bare_service


INSTALL = """
import sys, time, nimbus_sdk
started = time.monotonic()
try:
    session = nimbus_sdk.install_core()
    print("stale" if session.stale else "installed", round(time.monotonic() - started, 1))
except nimbus_sdk.NimbusError as error:
    sys.exit(f"{type(error).__name__}: {error} ({time.monotonic() - started:.1f} s)")
"""
VALIDATE = INSTALL.replace("session = nimbus_sdk.install_core()", "session = nimbus_sdk.authenticate()")
DOCTOR = """
import json
from nimbus_sdk.doctor import diagnose
found = {one.check: [one.verdict, one.cause, one.fix] for one in diagnose().findings}
print(json.dumps(found))
"""
