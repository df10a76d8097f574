"""A third party's client reads the OpenAPI document, sends many requests, and finds no contradiction."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from nimbus_sdk.sandbox import Sandbox

pytest.importorskip("schemathesis")
pytestmark = pytest.mark.qualification
UNLIMITED = ("validate", "refresh", "revoke", "github_token", "models", "model_file", "analytics", "unknown")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox without rate limits."""
    with Sandbox(limits=dict.fromkeys(UNLIMITED)) as running:
        yield running


@pytest.fixture
def run_client(sandbox: Sandbox, tmp_path: Path):
    """Sends generated requests to the operations whose path matches; every check of the client counts."""

    def run(paths: str, *options: str) -> None:
        address = f"{sandbox.api_url}/openapi.json"
        command = [sys.executable, "-m", "schemathesis.cli", "run", address, "--include-path-regex", paths]
        command += ["--max-examples", "30", "--seed", "1", "--no-color", *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def test_the_nimbus_api(sandbox: Sandbox, run_client) -> None:
    """The Nimbus API answers valid and invalid requests as its description says, with and without a key."""
    with_key = f"X-API-Key: {sandbox.new_key('research')}"
    run_client("^/(v1/models|api)/", "--header", with_key)
    # By POST a token is given for a key in the header or in the body, and OpenAPI cannot say "or".
    run_client("^$", "--include-operation-id", "github_token", "--header", with_key)
    run_client("^/v1/(auth|analytics)")


def test_github(sandbox: Sandbox, run_client) -> None:
    """The releases answer as described; without a token GitHub answers 404, as if there were none."""
    headers = {"X-API-Key": sandbox.new_key("research")}
    answer = httpx.get(f"{sandbox.api_url}/v1/installer/github-token", headers=headers)
    token = f"Authorization: Bearer {answer.json()['github_token']}"
    run_client("^/github/", "--header", token, "--exclude-checks", "ignored_auth")


def test_nimbus_os(sandbox: Sandbox, run_client) -> None:
    """Nimbus OS answers as its description says."""
    run_client("^/nimbus-os/", "--header", f"X-API-Key: {sandbox.new_nimbus_os_key()}")


def test_neuroai(sandbox: Sandbox, run_client) -> None:
    """NeuroAI answers as described; that a time is in the past, no schema can say."""
    key = f"Authorization: Bearer {sandbox.new_neuroai_key(role='Administrator')}"
    run_client("^/neuroai/", "--header", key, "--exclude-checks", "positive_data_acceptance")


def test_nexus(sandbox: Sandbox, run_client) -> None:
    """Nexus answers as its description says."""
    run_client("^/nexus/", "--header", f"api-key: {sandbox.new_nexus_key()}")
