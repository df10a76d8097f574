"""After all was done and much of it failed, no key and no token is found but in its one file."""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.qualification.canaries import AIMS, Canary, all_sorts_of_keys, failures, listening, suffer, swept
from tests.qualification.needles import PART, Needles
from tests.qualification.worlds import Stage, World


@pytest.fixture
def tokens() -> Iterator[list[str]]:
    """Every GitHub token that the sandbox issues from now on."""
    with listening() as issued:
        yield issued


@pytest.fixture
def keys(stage: Stage) -> dict[str, str]:
    """Keys of every sort."""
    return all_sorts_of_keys(stage.sandbox)


@pytest.mark.parametrize(
    "secret", [f"nbci_test_{secrets.token_hex(24)}", f"ghp_{secrets.token_hex(18)}"], ids=["key", "token"]
)
def test_the_search_finds_what_is_planted(tmp_path: Path, secret: str) -> None:
    """Whole, in part, reversed and encoded: were it there, the search would find it."""
    needles = Needles({"planted": secret})
    raw = secret.encode()
    hidden = secret.rpartition("_")[2].encode()
    planted = [
        raw,
        raw[: len(raw) * 2 // 3],
        hidden[-PART - 3 :],
        raw[::-1],
        raw.hex().encode(),
        base64.b64encode(b"user:" + raw),
        base64.urlsafe_b64encode(raw + b"!"),
        b"https://host/?key=" + raw,
        b'{"api_key": "%s"}' % raw,
    ]
    for number, content in enumerate(planted):
        (tmp_path / str(number)).write_bytes(b"\x00before " + content + b"\nafter")
    assert {find.partition(":")[0] for find in needles.in_files(tmp_path)} == set(
        map(str, range(len(planted)))
    )
    assert needles.in_bytes(raw[:14] + b"\xe2\x80\xa6" + raw[-4:]) == set()


def test_nothing_shows_a_secret_when_all_goes_well(
    stage: Stage, world: World, keys: dict[str, str], tokens: list[str]
) -> None:
    """Every story succeeds, and is shown in every way that Python has, with all loggers at DEBUG."""
    with Canary(world, keys) as canary:
        canary.does("install", key="good")
        canary.does("install")
        canary.does("install", key="good", force=True)
        canary.does("by_environment", key="good", errand="install", force=True)
        canary.does("by_dotenv", key="good", errand="install", force=True)
        canary.does("install_in_a_loop", key="good", force=True)
        canary.does("authenticate", key="good")
        canary.does("authenticate", offline_mode=True)
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
            canary.does("call", function=name)
            canary.does("call_in_a_loop", function=name)
        canary.does("of_session")
        for speak in ("client", "client_in_a_loop"):
            for method in ("validate", "refresh", "github_token", "list_models", "health"):
                canary.does(speak, key="good", method=method)
            canary.does(speak, key="good", method="log_event", event_type="inference")
        canary.does("by_environment", key="other", errand="call", function="explain")
        canary.does("save", key="good")
        canary.does("stored", key="good")
        canary.does("call", function="delete_stored_api_key")
        canary.does("save", key="doomed")
        canary.does("revoke", key="doomed", reason="left the lab")
        canary.does("call", function="uninstall_core")
        canary.does("call", function="invalidate_session")
    assert len(tokens) >= 6
    assert "Traceback" not in world.said()
    assert swept(world, keys, tokens) == []


def test_nothing_shows_a_secret_when_the_service_fails(
    stage: Stage, world: World, keys: dict[str, str], tokens: list[str]
) -> None:
    """Refusals that repeat the key, broken answers and broken lines: no trace of any holds a secret.

    ``python -m tests.qualification.canaries`` lets every endpoint fail in every one of these ways.
    """
    with Canary(world, keys) as canary:
        canary.does("install", key="good")
        for failure in failures(keys, endpoints_each=1):
            suffer(canary, stage.sandbox, failure)
    assert world.said().count("CoreDownloadError") > 5
    assert swept(world, keys, tokens) == []


def test_nothing_shows_a_secret_when_the_person_errs(
    stage: Stage, world: World, keys: dict[str, str], tokens: list[str]
) -> None:
    """Keys that are cut, unknown, expired, drained, revoked or of a lower tier, by every way they come in."""
    with Canary(world, keys) as canary:
        wrong = ("cut", "long", "unknown", "expired", "drained")
        for key in wrong:
            canary.does("install", key=key)
            canary.does("install_in_a_loop", key=key)
            canary.does("authenticate", key=key)
            canary.does("revoke", key=key)
            canary.does("by_environment", key=key, errand="install")
            canary.does("by_dotenv", key=key, errand="authenticate")
            canary.does("by_environment", key=key, errand="call", function="current_session")
            canary.does("by_environment", key=key, errand="call", function="explain")
            for speak in ("client", "client_in_a_loop"):
                canary.does(speak, key=key, method="validate")
                canary.does(speak, key=key, method="log_event", event_type="inference")
            canary.does("save", key=key)
        canary.does("call", function="delete_stored_api_key")
        canary.does("client", key="free", method="list_models", model_type="NimbusQDA")
        canary.does("install", key="good", version="9.9.9")
        canary.does("install", key="good", version="x y")
        canary.does("call", function="get_model_info", name="none")
        canary.does("revoke", key="doomed")
        canary.does("revoke", key="doomed")
        canary.does("install", key="doomed")
        stage.sandbox.stop()
        canary.does("install", key="good", force=True, timeout=0.5)
        canary.does("authenticate", key="good", timeout=0.5)
        canary.does("client_in_a_loop", key="good", method="health")
        canary.does("install", key="good", offline=True)
    assert swept(world, keys, tokens) == []


@pytest.mark.parametrize("store", ["keyring", ""])
def test_nothing_shows_a_secret_when_the_keyring_tells_it(
    stage: Stage, world: World, keys: dict[str, str], tokens: list[str], store: str
) -> None:
    """A keyring whose own error holds the key does not get that error shown."""
    loud = {"PYTHON_KEYRING_BACKEND": "tests.qualification.loud_keyring.Loud"}
    with Canary(world, keys, NIMBUS_SDK_CREDENTIAL_STORE=store, **loud) as canary:
        canary.does("install", key="good")
        canary.does("save", key="good")
        canary.does("call", function="delete_stored_api_key")
    assert "eyring failed (RuntimeError)" in world.said()
    assert swept(world, keys, tokens) == []


def test_nothing_shows_a_secret_when_it_is_interrupted(
    stage: Stage, world: World, keys: dict[str, str], tokens: list[str]
) -> None:
    """Ctrl-C while a request or a key is on its way, shown with the locals of every frame."""
    with Canary(world, keys) as canary:
        for aim in AIMS:
            assert canary.does("interrupted_install", key="good", **aim), aim
    assert swept(world, keys, tokens) == []


def test_the_command_line_shows_no_secret(
    stage: Stage, world: World, keys: dict[str, str], tokens: list[str]
) -> None:
    """Keys piped in, right and wrong, and every command that tells of them."""

    def run(*arguments: str, key: str | None = None) -> int:
        with open(world.path / "stdout.txt", "ab") as out:
            return subprocess.run(
                [sys.executable, "-m", "nimbus_sdk", *arguments],
                cwd=world.path / "work",
                env=world.environ(),
                input=b"" if key is None else keys[key].encode(),
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
            ).returncode

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
    assert swept(world, keys, tokens) == []
