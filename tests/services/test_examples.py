"""The examples of the further services run as they are, and with a key of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.docs.conftest import Program, program  # noqa: F401 - fixtures

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = {"10_nimbus_os.py": "NIMBUS_OS", "11_neuroai.py": "NEUROAI", "12_nexus.py": "NEXUS"}


@pytest.mark.parametrize(("name", "service"), PROGRAMS.items())
def test_an_example_runs_as_it_is(name: str, service: str, program: Program) -> None:  # noqa: F811
    """With no key at all it starts a sandbox of its own and ends well."""
    done = program(EXAMPLES / name)
    assert done.stdout.startswith(f"{service}_API_KEY is not set, so this runs on a sandbox.")
    assert done.stderr == ""


@pytest.mark.parametrize(("name", "service"), PROGRAMS.items())
def test_an_example_runs_with_a_key(
    name: str, service: str, box: Sandbox, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """With a key in the environment it asks the service that the environment names."""
    keys = {"NIMBUS_OS": box.new_nimbus_os_key, "NEUROAI": box.new_neuroai_key, "NEXUS": box.new_nexus_key}
    monkeypatch.setenv(f"{service}_API_KEY", keys[service]())
    monkeypatch.setenv("NIMBUS_OS_SANDBOX_URL", box.nimbus_os_url())
    monkeypatch.setenv("NEUROAI_URL", box.neuroai_url)
    monkeypatch.setenv("NEXUS_URL", box.nexus_url)
    # The fixture takes the environment as it is when it is made.
    run: Program = request.getfixturevalue("program")
    done = run(EXAMPLES / name)
    assert "runs on a sandbox" not in done.stdout
    assert box.journal()
