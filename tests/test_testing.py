"""The fixtures that programs which use the SDK get for their own tests."""

import subprocess
import sys

from nimbus_sdk import testing

KEY = "nbci_live_" + "0123456789ab" * 4
SLOW_PLUGINS = ("hypothesispytest", "respx", "schemathesis")
MINE = {
    "NIMBUS_API_KEY": KEY,
    "NIMBUS_OS_API_KEY": "nos_sandbox_0123456789abcdef",
    "NIMBUS_SDK_PROFILE": "mine",
    "NIMBUS_SDK_USAGE": "1",
    "NIMBUS_SDK_TIMEOUT": "0.001",
    "NIMBUS_SDK_API_URL": "https://api.nimbusbci.com",
    "NIMBUS_SDK_CORE_REPO": "mine/core",
}

PROGRAM = '''\
import os

import pytest

import nimbus_sdk


def test_a_program_runs_against_a_sandbox(nimbus_sandbox, nimbus_key, nimbus_home):
    """As the documentation of the fixtures has it."""
    session = nimbus_sdk.install_core(nimbus_key, progress=False)
    assert session.license_type == "research"
    assert nimbus_sdk.get_stored_api_key() == nimbus_key
    assert (nimbus_home / "config" / "credentials.json").is_file()
    nimbus_sandbox.fault("refresh", status=503)
    assert nimbus_sdk.refresh_quota().quota_remaining == 50_000


def test_every_test_has_a_home_of_its_own(nimbus_home):
    """Nothing of the test before, nor of the user, is there."""
    assert not nimbus_home.exists()
    assert "NIMBUS_API_KEY" not in os.environ
    assert sorted(name for name in os.environ if name.startswith("NIMBUS_")) == [
        "NIMBUS_SDK_API_URL",
        "NIMBUS_SDK_CREDENTIAL_STORE",
        "NIMBUS_SDK_GITHUB_URL",
        "NIMBUS_SDK_HOME",
    ]
    assert nimbus_sdk.get_stored_api_key() is None


def test_no_key_of_the_user_reaches_anybody(nimbus_home):
    """Neither the project's .env nor NimbusSDK.jl's file counts, and no service is within reach."""
    assert not nimbus_sdk.explain(), nimbus_sdk.explain()
    for call in (nimbus_sdk.revoke_api_key, nimbus_sdk.install_core):
        with pytest.raises(nimbus_sdk.MissingKeyError):
            call()
        with pytest.raises(nimbus_sdk.NimbusConnectionError):
            call("nbci_live_" + "ab" * 24)
'''


def test_a_program_that_uses_the_sdk_can_test_itself(isolated_home, monkeypatch):
    """pytest finds the fixtures by itself; they leave the account of the user alone."""
    for name, value in MINE.items():
        monkeypatch.setenv(name, value)
    (isolated_home / "work" / ".env").write_text(f"NIMBUS_API_KEY={KEY}\nNIMBUS_SDK_TIMEOUT=77\n")
    (isolated_home / "user" / ".nimbus").mkdir()
    (isolated_home / "user" / ".nimbus" / "credentials.toml").write_text(f'[nimbus]\napi_key = "{KEY}"\n')
    file = isolated_home / "work" / "test_program.py"
    file.write_text(PROGRAM)
    # What the outer pytest was given, such as how much must be covered, is not for the inner one.
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *(f"-pno:{name}" for name in SLOW_PLUGINS),
            f"--basetemp={isolated_home / 'base'}",
            file,
        ],
        cwd=isolated_home / "work",
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert not any((isolated_home / "nimbus").iterdir())
    assert sorted(path.name for path in isolated_home.iterdir()) == ["base", "nimbus", "user", "work"]


def test_every_fixture_says_what_it_is():
    """pytest --fixtures shows it."""
    for name in ("nimbus_wheels", "nimbus_home", "nimbus_sandbox", "nimbus_key"):
        assert getattr(testing, name).__doc__ or vars(getattr(testing, name))
