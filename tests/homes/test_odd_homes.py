"""Homes with odd names, homes of users whom nobody knows, and no home at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.homes.conftest import Examine

INSTALL = "ask('install', install)"
OFFLINE = """
ask("session", lambda: nimbus_sdk.current_session().key_fingerprint)
ask("decode", decoded)
"""
AUTHENTICATE = "ask('authenticate', lambda: nimbus_sdk.authenticate().license_type)\n"
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


def test_a_home_of_any_name_will_do(examine: Examine, own_world: Path) -> None:
    """Install, then decode offline in another process, from every path that a file system allows."""
    (own_world / "work" / "names.json").write_text(json.dumps(NAMES))
    told = examine(IN_EACH.replace("ACT", "ask(name, install)"))
    assert {name: told[name]["fault"] for name in NAMES} == dict.fromkeys(NAMES)
    told = examine(
        IN_EACH.replace("ACT", "told[name] = in_fork(decoded)"), NIMBUS_SDK_OFFLINE="1", LC_ALL="POSIX"
    )
    assert {name: told[name].get("value") for name in NAMES} == dict.fromkeys(NAMES, 20), told


def test_a_home_that_is_a_link_is_followed(examine: Examine, own_world: Path, key: str) -> None:
    """A home on another disk, reached by a symbolic link, holds all; the link itself stays."""
    real, link = own_world / "big disk", own_world / "link"
    real.mkdir()
    link.symlink_to(real)
    assert examine(INSTALL, NIMBUS_SDK_HOME=str(link))["install"]["fault"] is None
    assert examine(OFFLINE, NIMBUS_SDK_HOME=str(real))["decode"].get("value") == 20
    assert link.is_symlink()
    assert sorted(os.listdir(real)) == ["cache", "config", "data", "state"]


def test_a_user_whom_nobody_knows_has_a_home_if_one_is_named(examine: Examine, own_world: Path) -> None:
    """A number without a line in /etc/passwd, as containers give it, and ``HOME`` or ``NIMBUS_SDK_HOME``."""
    for name, without in (("HOME", "NIMBUS_SDK_HOME"), ("NIMBUS_SDK_HOME", "HOME")):
        home = own_world / f"home of {name}"
        home.mkdir()
        assert examine(INSTALL, without=(without,), **{name: str(home)})["install"]["fault"] is None
        assert examine(OFFLINE, without=(without,), **{name: str(home)})["session"]["fault"] is None


def test_without_any_home_the_way_out_is_told(examine: Examine, key: str) -> None:
    """No ``HOME``, no line in /etc/passwd: the message says which variable to set, and nothing is made."""
    told = examine(
        INSTALL + "\n" + OFFLINE + AUTHENTICATE + "ask('check', nimbus_sdk.check_installation)",
        without=HOMELESS,
        NIMBUS_API_KEY=key,
    )
    for name in ("install", "session", "authenticate", "check"):
        assert told[name]["fault"] == "ConfigurationError", told
        assert "Set NIMBUS_SDK_HOME" in str(told[name]["message"])
    assert told["decode"]["fault"] in ("ConfigurationError", "CoreNotInstalledError")


def test_without_any_home_a_client_works(examine: Examine, key: str) -> None:
    """What keeps nothing needs no place to keep it."""
    code = "ask('validate', lambda: nimbus_sdk.NimbusClient(key()).validate().license_type)"
    told = examine(code, without=HOMELESS)
    assert told["validate"].get("value") == "research", told


def test_a_home_that_is_not_there_and_cannot_be_made(examine: Examine, key: str, tmp_path: Path) -> None:
    """``HOME=/nonexistent`` of service accounts: a session from the environment's key works, unkept."""
    nowhere = "/proc/nonexistent"
    told = examine(AUTHENTICATE + INSTALL, without=("NIMBUS_SDK_HOME",), HOME=nowhere, NIMBUS_API_KEY=key)
    assert told["authenticate"].get("value") == "research", told
    assert told["install"]["fault"] in ("CoreInstallError", "SessionError", "CredentialStoreError")
    assert nowhere in str(told["install"]["message"])
