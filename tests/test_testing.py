"""The fixtures that programs which use the SDK get for their own tests."""

import subprocess
import sys

from nimbus_sdk import testing

PROGRAM = '''\
import os

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
    """Nothing of the test before, nor of the person, is there."""
    assert not nimbus_home.exists()
    assert "NIMBUS_API_KEY" not in os.environ
    assert "NIMBUS_SDK_PROFILE" not in os.environ
    assert nimbus_sdk.get_stored_api_key() is None
'''


def test_a_program_that_uses_the_sdk_can_test_itself(own_world, monkeypatch):
    """pytest finds the fixtures by itself; they leave the person's own account alone."""
    monkeypatch.setenv("NIMBUS_API_KEY", "nbci_live_" + "0123456789ab" * 4)
    monkeypatch.setenv("NIMBUS_SDK_PROFILE", "mine")
    file = own_world / "work" / "test_program.py"
    file.write_text(PROGRAM)
    # What the outer pytest was told, such as how much must be covered, is not for the inner one.
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--basetemp={own_world / 'base'}",
            file,
        ],
        cwd=own_world / "work",
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert not any((own_world / "nimbus").iterdir())


def test_every_fixture_says_what_it_is():
    """pytest --fixtures shows it."""
    for name in ("nimbus_wheels", "nimbus_home", "nimbus_sandbox", "nimbus_key"):
        assert getattr(testing, name).__doc__ or vars(getattr(testing, name))
