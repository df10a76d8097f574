"""Requests to the sandbox, and wheels that it publishes."""

from __future__ import annotations

import socket
import subprocess
import sys
from urllib.parse import urlsplit
from zipfile import ZipFile

import httpx

REPOSITORY = "nimbusbci/NimbusSDKCore"
HEALTH_REQUEST = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
SERVICE_REQUESTS = {
    "nimbus_os": ("GET", "nimbus-os/sandbox/orders", None),
    "neuroai_keys": ("GET", "neuroai/v1/api-keys", None),
    "neuroai_key": ("GET", "neuroai/v1/api-keys/key_1", None),
    "neuroai_rotate": ("POST", "neuroai/v1/api-keys/key_1/rotate", None),
    "neuroai_verify": ("GET", "neuroai/v1/auth/verify", None),
    "neuroai_audit": ("GET", "neuroai/v1/audit-logs", None),
    "neuroai_agents": ("GET", "neuroai/v1/agents", None),
    "neuroai": ("GET", "neuroai/v1/users", None),
    "nexus_thread": ("POST", "nexus/api/public/thread", {"message": "Hello"}),
    "nexus": ("GET", "nexus/api", None),
}
"""Method, path and body of a request, by endpoint."""


def github_token(sandbox, http, key=None):
    """Return a GitHub token, requested over HTTP."""
    answer = http.get(
        f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": key or sandbox.new_key()}
    )
    return answer.json()["github_token"]


def github_auth(sandbox, http):
    """Return the header with a new GitHub token."""
    return {"Authorization": f"Bearer {github_token(sandbox, http)}"}


def log_event(sandbox, http, key, **event):
    """Log one analytics event."""
    return http.post(f"{sandbox.api_url}/v1/analytics/log", json={"api_key": key, **event})


def validate(sandbox, http, key):
    """Validate a key over HTTP."""
    return http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key})


def get_health(sandbox, http):
    """Request the health endpoint."""
    return http.get(f"{sandbox.api_url}/api/health")


def raw_response(sandbox, request=HEALTH_REQUEST):
    """Return the bytes that are received on a socket, and the error that ends them, if any."""
    url = urlsplit(sandbox.api_url)
    received = b""
    with socket.create_connection((url.hostname, url.port), timeout=5) as peer:
        peer.sendall(request)
        try:
            while data := peer.recv(65536):
                received += data
        except OSError as error:
            return received, error
    return received, None


def neuroai_error(answer):
    """Return status and error code of a NeuroAI error."""
    return answer.status_code, answer.json()["error"]["code"]


def request_service(sandbox, http, endpoint, keys, **options):
    """Request an endpoint by its name, with the keys of all three services."""
    method, path, body = SERVICE_REQUESTS[endpoint]
    headers = {
        "X-API-Key": keys["nimbus_os"],
        "Authorization": f"Bearer {keys['neuroai']}",
        "api-key": keys["nexus"],
        "X-Request-ID": "req_abc123",
    }
    return http.request(method, f"{sandbox.api_url}/{path}", headers=headers, json=body, **options)


def new_service_keys(sandbox):
    """Return a key of each service."""
    return {
        "nimbus_os": sandbox.new_nimbus_os_key(),
        "neuroai": sandbox.new_neuroai_key(),
        "nexus": sandbox.new_nexus_key(),
    }


def run_installation(sandbox, key):
    """Send the four requests of an installation and some careless ones; return the token."""
    with httpx.Client(trust_env=False) as http:
        http.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key})
        token = http.get(
            f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": key, "X-Request-ID": key}
        ).json()["github_token"]
        auth = {"Authorization": f"Bearer {token}"}
        latest = f"{sandbox.github_url}/repos/{REPOSITORY}/releases/latest"
        release = http.get(latest, headers=auth).json()
        link = http.get(
            release["assets"][0]["url"], headers={**auth, "Accept": "application/octet-stream"}
        ).headers["location"]
        http.get(link, headers={"Range": "bytes=5-", "Referer": f"http://x/?k={key}", "Cookie": token})
        http.get(f"{sandbox.api_url}/v1/installer/github-token", params={"api_key": key})
        http.get(f"{sandbox.api_url}/lost/{key}/{token}", params={"x": token})
        event = {"api_key": key, "event_type": "error", "error_message": f"{key} {token}"}
        http.post(f"{sandbox.api_url}/v1/analytics/log", json=event)
        sandbox.fault("refresh", status=500)
        http.post(f"{sandbox.api_url}/v1/auth/refresh", json={"api_key": key})
        http.post(f"{sandbox.api_url}/v1/auth/revoke", json={"api_key": key, "reason": f"leak of {key}"})
    return token


def first_asset_path(release):
    """Return the path of a release's first wheel."""
    return release.assets[0].path


def core_metadata(path):
    """Return the METADATA of a wheel as text."""
    with ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def import_core(path):
    """Import the core from its wheel in a process of its own."""
    code = f"import sys; sys.path.insert(0, {str(path)!r}); import nimbus_sdk_core as c; print(c.__version__)"
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
