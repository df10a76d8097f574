"""`nimbus-sdk sandbox keys`: the keys in a database and those of a running sandbox."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nimbus_sdk.api.client import NimbusClient
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import Nimbus

KEY = re.compile(r"nbci_test_[0-9a-f]{48}")


def test_keys_of_a_file(nimbus: Nimbus, tmp_path: Path) -> None:
    """Create, list and revoke on a database file; only `create` ever shows a key."""
    db = str(tmp_path / "sandbox.db")
    arguments = ("--tier", "free", "--kind", "live", "--used", "9999", "--expires-at", "2099-01-31T00:00Z")
    made = nimbus("sandbox", "keys", "create", "--db", db, *arguments)
    key = made.out.strip()
    assert re.fullmatch(r"nbci_live_[0-9a-f]{48}", key)
    listed = nimbus("sandbox", "keys", "list", "--db", db, "--json").document["keys"]
    assert [(one["license_type"], one["used"]) for one in listed] == [("free", 9999)]
    assert listed[0]["expires_at"].startswith("2099-01-31")
    revoked = nimbus("sandbox", "keys", "revoke", listed[0]["fingerprint"], "--db", db, "--reason", "test")
    assert revoked.code == 0
    text = nimbus("sandbox", "keys", "list", "--db", db)
    assert listed[0]["fingerprint"] in text.out
    assert key not in text.out + revoked.out
    again = nimbus("sandbox", "keys", "revoke", listed[0]["fingerprint"], "--db", db)
    assert again.code == 2


def test_keys_of_a_running_sandbox(nimbus: Nimbus, running: Sandbox) -> None:
    """The same three on a sandbox in another process, with its token from the environment."""
    url = running.api_url
    arguments = ("--tier", "free", "--expires-at", "2099-01-31T00:00Z", "--json")
    key = nimbus("sandbox", "keys", "create", "--url", url, *arguments).document["key"]
    assert KEY.fullmatch(key)
    with NimbusClient(key) as client:
        assert client.validate().license_type == "free"
    listed = nimbus("sandbox", "keys", "list", "--url", url, "--json").document["keys"]
    fingerprint = listed[-1]["fingerprint"]
    done = nimbus("sandbox", "keys", "revoke", fingerprint, "--url", url, "--reason", "test", "--json")
    assert done.document == {"revoked": True}
    assert [entry["reason"] for entry in running.audit()] == ["test"]


def test_a_sandbox_without_keys_says_how_to_make_one(
    nimbus: Nimbus, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence is printed, not headers without rows."""
    monkeypatch.setenv("NIMBUS_SDK_SANDBOX_TOKEN", sandbox.control_token)
    empty = nimbus("sandbox", "keys", "list", "--url", sandbox.api_url)
    assert empty.out == "There are no keys. Run `nimbus-sdk sandbox keys create`.\n"


def test_one_sandbox_must_be_named(nimbus: Nimbus) -> None:
    """Neither and both of --db and --url are refused."""
    assert nimbus("sandbox", "keys", "list").code == 2
    both = ("--db", "sandbox.db", "--url", "http://127.0.0.1:1")
    assert nimbus("sandbox", "keys", "list", *both).code == 2


@pytest.mark.parametrize(
    "arguments",
    [("--expires-at", "soon"), ("--expires-at", "2099-01-31T00:00"), ("--kind", "gold"), ("--tier", "gold")],
)
@pytest.mark.parametrize("where", ["file", "running"])
def test_a_key_that_cannot_be_is_refused(
    nimbus: Nimbus, running: Sandbox, tmp_path: Path, arguments: tuple[str, ...], where: str
) -> None:
    """A slip in what the key is to be ends with 2, in a file as on a running sandbox."""
    place = ("--db", str(tmp_path / "s.db")) if where == "file" else ("--url", running.api_url)
    assert nimbus("sandbox", "keys", "create", *place, *arguments).code == 2


def test_a_key_is_not_named_by_itself(nimbus: Nimbus, running: Sandbox) -> None:
    """`revoke` takes a fingerprint: a key on the command line is refused and not repeated."""
    key = running.new_key()
    done = nimbus("sandbox", "keys", "revoke", key, "--url", running.api_url)
    assert done.code == 2
    assert key not in done.err
    assert "fingerprint" in done.err
