"""After every call has succeeded and failed, no key and no token is found outside of its one file."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.qualification.canaries import (
    INTERRUPTION_POINTS,
    Canary,
    failures,
    find_secrets,
    keys_of_every_kind,
    recorded_tokens,
    run_during_failure,
    tasks_with_wrong_keys,
)
from tests.qualification.machines import Machine, Machines
from tests.qualification.secret_search import MINIMUM_LENGTH, SecretSearch
from tests.support.forked import ForkedPython

pytestmark = pytest.mark.tiny_core


@pytest.fixture(autouse=True)
def tokens() -> Iterator[list[str]]:
    """Every GitHub token that the sandbox issues; it must be there before the sandbox starts."""
    with recorded_tokens() as issued:
        yield issued


@pytest.fixture
def keys(machines: Machines) -> dict[str, str]:
    """Keys of every kind."""
    return keys_of_every_kind(machines.sandbox)


@pytest.mark.parametrize(
    "secret", [f"nbci_test_{secrets.token_hex(24)}", f"ghp_{secrets.token_hex(18)}"], ids=["key", "token"]
)
def test_the_search_finds_planted_secrets(tmp_path: Path, secret: str) -> None:
    """The search finds a secret that is whole, partial, reversed or encoded."""
    search = SecretSearch({"planted": secret})
    raw = secret.encode()
    hidden = secret.rpartition("_")[2].encode()
    planted = [
        raw,
        raw[: len(raw) * 2 // 3],
        hidden[-MINIMUM_LENGTH - 3 :],
        raw[::-1],
        raw.hex().encode(),
        base64.b64encode(b"user:" + raw),
        base64.urlsafe_b64encode(raw + b"!"),
        b"https://host/?key=" + raw,
        b'{"api_key": "%s"}' % raw,
    ]
    for number, content in enumerate(planted):
        (tmp_path / str(number)).write_bytes(b"\x00before " + content + b"\nafter")
    assert {find.partition(":")[0] for find in search.find_in_files(tmp_path)} == set(
        map(str, range(len(planted)))
    )
    assert search.find_in_bytes(raw[:14] + b"\xe2\x80\xa6" + raw[-4:]) == set()


def test_nothing_shows_a_secret_when_all_goes_well(
    machines: Machines, machine: Machine, keys: dict[str, str], tokens: list[str]
) -> None:
    """Every call succeeds; its result is printed in every way that Python has, with all loggers at DEBUG."""
    with Canary(machine, keys) as canary:
        canary.run("install", key="good")
        canary.run("install")
        canary.run("install", key="good", force=True)
        canary.run("by_environment", key="good", task="install", force=True)
        canary.run("by_dotenv", key="good", task="install", force=True)
        canary.run("install_in_a_loop", key="good", force=True)
        canary.run("authenticate", key="good")
        canary.run("authenticate", offline_mode=True)
        for name in (
            "authenticate_from_storage",
            "current_session",
            "refresh_quota",
            "check_quota_and_refresh",
            "get_quota_status",
            "list_available_models",
            "check_installation",
            "explain",
        ):
            canary.run("call", function=name)
            canary.run("call_in_a_loop", function=name)
        canary.run("session_key")
        for task in ("client", "client_in_a_loop"):
            for method in ("validate", "refresh", "github_token", "list_models", "health"):
                canary.run(task, key="good", method=method)
            canary.run(task, key="good", method="log_event", event_type="inference")
        canary.run("by_environment", key="other", task="call", function="explain")
        canary.run("save", key="good")
        canary.run("stored", key="good")
        canary.run("call", function="delete_stored_api_key")
        canary.run("save", key="doomed")
        canary.run("revoke", key="doomed", reason="left the lab")
        canary.run("call", function="uninstall_core")
        canary.run("call", function="invalidate_session")
    assert len(tokens) >= 6
    assert "Traceback" not in machine.output()
    assert find_secrets(machine, keys, tokens) == []


def test_nothing_shows_a_secret_when_the_service_fails(
    machines: Machines, machine: Machine, keys: dict[str, str], tokens: list[str]
) -> None:
    """Errors that repeat the key, broken responses and broken connections: no traceback contains a secret.

    ``python -m tests.qualification.canaries`` lets every endpoint fail in every one of these ways.
    """
    with Canary(machine, keys) as canary:
        canary.run("install", key="good")
        for failure in failures(keys, endpoints_each=1):
            run_during_failure(canary, machines.sandbox, failure)
    assert machine.output().count("CoreDownloadError") > 5
    assert find_secrets(machine, keys, tokens) == []


def test_nothing_shows_a_secret_when_the_key_is_wrong(
    machines: Machines, machine: Machine, keys: dict[str, str], tokens: list[str]
) -> None:
    """Cut, unknown, expired, used up, revoked and lower-tier keys, from every source of keys.

    ``python -m tests.qualification.canaries`` gives every wrong key to every task.
    """
    # Of five keys and thirteen tasks, every key with two or three tasks and every task with one key.
    with Canary(machine, keys) as canary:
        for task, arguments in list(tasks_with_wrong_keys())[::6]:
            canary.run(task, **arguments)
        canary.run("call", function="delete_stored_api_key")
        canary.run("client", key="free", method="list_models", model_type="NimbusQDA")
        canary.run("install", key="good", version="9.9.9")
        canary.run("install", key="good", version="x y")
        canary.run("call", function="get_model_info", name="none")
        canary.run("revoke", key="doomed")
        canary.run("revoke", key="doomed")
        canary.run("install", key="doomed")
        machines.sandbox.stop()
        canary.run("install", key="good", force=True, timeout=0.5)
        canary.run("authenticate", key="good", timeout=0.5)
        canary.run("client_in_a_loop", key="good", method="health")
        canary.run("install", key="good", offline=True)
    assert find_secrets(machine, keys, tokens) == []


@pytest.mark.parametrize("store", ["keyring", ""])
def test_nothing_shows_a_secret_when_the_keyring_repeats_it(
    machines: Machines, machine: Machine, keys: dict[str, str], tokens: list[str], store: str
) -> None:
    """The error of a keyring that contains the key is not shown."""
    leaky = {"PYTHON_KEYRING_BACKEND": "tests.qualification.leaky_keyring.Leaky"}
    with Canary(machine, keys, NIMBUS_SDK_CREDENTIAL_STORE=store, **leaky) as canary:
        canary.run("install", key="good")
        canary.run("save", key="good")
        canary.run("call", function="delete_stored_api_key")
    assert "eyring failed (RuntimeError)" in machine.output()
    assert find_secrets(machine, keys, tokens) == []


def test_nothing_shows_a_secret_when_it_is_interrupted(
    machines: Machines, machine: Machine, keys: dict[str, str], tokens: list[str]
) -> None:
    """Ctrl-C during a request or while a key is stored, printed with the locals of every frame."""
    with Canary(machine, keys) as canary:
        for point in INTERRUPTION_POINTS:
            assert canary.run("interrupted_install", key="good", **point), point
    assert find_secrets(machine, keys, tokens) == []


def test_the_command_line_shows_no_secret(
    machines: Machines, machine: Machine, keys: dict[str, str], tokens: list[str]
) -> None:
    """Valid and wrong keys on standard input, and every command that prints something about them."""

    def run(*arguments: str, key: str | None = None) -> int:
        python = ForkedPython(machines.fork_server, machine.path / "work")
        done = python.run(
            ["-m", "nimbus_sdk", *arguments],
            environ=machine.environ(),
            stdin=None if key is None else keys[key],
            check=False,
        )
        with open(machine.path / "stdout.txt", "a") as file:
            file.write(done.stdout + done.stderr)
        return done.returncode

    assert run("install", "--key-stdin", key="good") == 0
    for command in ("status", "explain", "quota", "models", "refresh"):
        assert run(command, "--json") == 0
    for command in ("status", "explain"):
        assert run(command) == 0
    for key in ("cut", "unknown"):
        assert run("install", "--key-stdin", key=key) != 0
    assert run("install", "--key-stdin", "--json", key="expired") != 0
    assert run("logout") == 0
    assert len(tokens) == 1
    assert find_secrets(machine, keys, tokens) == []
