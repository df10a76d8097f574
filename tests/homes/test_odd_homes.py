"""Homes with odd names, homes of unknown users, and no home at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.homes.conftest import RunCode

pytestmark = pytest.mark.usefixtures("either_core")

INSTALL = "record('install', install)"
OFFLINE = """
record("session", lambda: nimbus_sdk.current_session().key_fingerprint)
record("decode", decoded)
"""
AUTHENTICATE = "record('authenticate', lambda: nimbus_sdk.authenticate().license_type)\n"
HOMELESS = ("HOME", "NIMBUS_SDK_HOME")
NAMES = {
    "spaces and letters": "a home with späces, 中文 and ünïcode",
    "shell characters": 'quote\'s "$HOME" & ; * ? #',
    "dots": "..hidden. .",
    "a line break": "two\nlines",
    "no UTF-8": os.fsdecode(b"latin-\xe4"),
}


IN_EACH = """
import numpy
for name in json.load(open("names.json", "rb")):
    os.environ["NIMBUS_SDK_HOME"] = os.path.join(os.path.dirname(os.getcwd()), name)
    ACT
"""


def test_a_home_may_have_any_name(run_code: RunCode, isolated_home: Path) -> None:
    """Install, then decode offline in another process, in a home at any path that a file system allows."""
    (isolated_home / "work" / "names.json").write_text(json.dumps(NAMES))
    results = run_code(IN_EACH.replace("ACT", "record(name, install)"))
    assert {name: results[name]["error"] for name in NAMES} == dict.fromkeys(NAMES)
    results = run_code(
        IN_EACH.replace("ACT", "results[name] = in_fork(decoded)"),
        fresh=True,
        NIMBUS_SDK_OFFLINE="1",
        LC_ALL="POSIX",
    )
    assert {name: results[name].get("value") for name in NAMES} == dict.fromkeys(NAMES, 20), results


def test_a_home_that_is_a_link_is_followed(run_code: RunCode, isolated_home: Path, key: str) -> None:
    """A home on another disk, reached by a symbolic link, is used; the link itself stays."""
    real, link = isolated_home / "big disk", isolated_home / "link"
    real.mkdir()
    link.symlink_to(real)
    assert run_code(INSTALL, NIMBUS_SDK_HOME=str(link))["install"]["error"] is None
    assert run_code(OFFLINE, NIMBUS_SDK_HOME=str(real))["decode"].get("value") == 20
    assert link.is_symlink()
    assert sorted(os.listdir(real)) == ["cache", "config", "data", "state"]


def test_an_unknown_user_has_a_home_if_a_variable_names_it(run_code: RunCode, isolated_home: Path) -> None:
    """A user id without an entry in /etc/passwd, as in containers, and ``HOME`` or ``NIMBUS_SDK_HOME``."""
    for name, without in (("HOME", "NIMBUS_SDK_HOME"), ("NIMBUS_SDK_HOME", "HOME")):
        home = isolated_home / f"home of {name}"
        home.mkdir()
        assert run_code(INSTALL, without=(without,), **{name: str(home)})["install"]["error"] is None
        assert run_code(OFFLINE, without=(without,), **{name: str(home)})["session"]["error"] is None


def test_without_any_home_the_error_names_the_variable(run_code: RunCode, key: str) -> None:
    """No ``HOME``, no entry in /etc/passwd: the message names the variable; nothing is created."""
    results = run_code(
        INSTALL + "\n" + OFFLINE + AUTHENTICATE + "record('check', nimbus_sdk.check_installation)",
        without=HOMELESS,
        NIMBUS_API_KEY=key,
    )
    for name in ("install", "session", "authenticate", "check"):
        assert results[name]["error"] == "ConfigurationError", results
        assert "Set NIMBUS_SDK_HOME" in str(results[name]["message"])
    assert results["decode"]["error"] in ("ConfigurationError", "CoreNotInstalledError")


def test_without_any_home_a_client_works(run_code: RunCode, key: str) -> None:
    """A client stores nothing and needs no home."""
    code = "record('validate', lambda: nimbus_sdk.NimbusClient(key()).validate().license_type)"
    results = run_code(code, without=HOMELESS)
    assert results["validate"].get("value") == "research", results


def test_a_home_that_cannot_be_created(run_code: RunCode, key: str, tmp_path: Path) -> None:
    """``HOME=/nonexistent`` of service accounts: a session from the environment's key works, not stored."""
    nowhere = "/proc/nonexistent"
    results = run_code(AUTHENTICATE + INSTALL, without=("NIMBUS_SDK_HOME",), HOME=nowhere, NIMBUS_API_KEY=key)
    assert results["authenticate"].get("value") == "research", results
    assert results["install"]["error"] in ("CoreInstallError", "SessionError", "CredentialStoreError")
    assert nowhere in str(results["install"]["message"])
