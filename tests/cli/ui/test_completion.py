"""What a shell offers when Tab is pressed."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from nimbus_sdk import install_core
from nimbus_sdk.cli import main
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.sandbox import Sandbox
from tests.cli.test_app import COMMANDS

Offered: TypeAlias = Callable[[str], list[str]]


@pytest.fixture
def offered(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Offered:
    """Returns the values that bash gets for the last word of a line."""

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_NIMBUS_SDK_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", shlex.join(words[:-1]) + f" {words[-1]}")
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        with pytest.raises(SystemExit):
            main([])
        out, err = capsys.readouterr()
        assert err == ""
        return sorted(out.split())

    return complete


def test_fixed_values_are_offered(offered: Offered) -> None:
    """Tiers, environments, kinds, roles, paradigms and types, each where it may be given."""
    assert offered("nimbus-sdk sandbox serve --tier ") == [
        "commercial",
        "enterprise",
        "free",
        "research",
        "trial",
    ]
    assert offered("nimbus-sdk sandbox run --tier f") == ["free"]
    assert offered("nimbus-sdk nimbus-os get --environment p") == ["production"]
    assert offered("nimbus-sdk sandbox keys create --kind l") == ["live"]
    assert offered("nimbus-sdk neuroai keys create --role A") == ["Administrator"]
    assert offered("nimbus-sdk neuroai keys create --type t") == ["team"]
    assert offered("nimbus-sdk models --paradigm s") == ["ssvep"]
    assert offered("nimbus-sdk models --type NimbusL") == ["NimbusLDA"]


def test_what_is_on_this_machine_is_offered(
    offered: Offered, sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models, versions, profiles and the running sandbox's keys, without a request to the service."""
    another = sandbox.new_key()
    install_core(key)
    install_core(another, profile="lab")
    paths = Settings.load().paths
    Path(paths.models).mkdir(parents=True)
    (Path(paths.models) / "p300_binary_v1.nimbus").touch()
    monkeypatch.setenv("NIMBUS_SDK_SANDBOX_TOKEN", sandbox.control_token)
    sandbox.clear_journal()
    assert offered("nimbus-sdk models ") == ["motor_imagery_4class_v1", "p300_binary_v1"]
    for words in ("core use", "core uninstall", "install --version", "bundle create --version"):
        assert offered(f"nimbus-sdk {words} 0") == ["0.1.0"], words
    assert offered("nimbus-sdk status --profile ") == ["default", "lab"]
    assert offered("nimbus-sdk status --profile la") == ["lab"]
    fingerprints = [ApiKey.parse(each).fingerprint for each in (key, another)]
    assert offered("nimbus-sdk sandbox keys revoke ") == sorted(fingerprints)
    assert sandbox.journal() == []


def test_a_machine_that_cannot_be_read_offers_nothing(
    offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error would be printed in the middle of the line that is typed."""
    monkeypatch.setenv("NIMBUS_SDK_PROFILE", "not/a/name")
    for words in ("models ", "core use ", "status --profile ", "sandbox keys revoke "):
        assert offered(f"nimbus-sdk {words}") == [], words


def test_every_option_with_a_list_of_values_offers_them() -> None:
    """A profile, a version or a tier is completed in each command that takes one."""
    names = {"profile", "version", "tier"}
    for path, command in COMMANDS.items():
        for option in command.params:  # type: ignore[attr-defined]
            if option.name in names and path:
                assert option._custom_shell_complete is not None, (path, option.name)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing")
def test_bash_completes_a_line(commands: Path) -> None:
    """The script for bash calls the command and takes its answer."""
    script = """
PATH="$1:$PATH"
eval "$(_NIMBUS_SDK_COMPLETE=source_bash nimbus-sdk)"
COMP_WORDS=(nimbus-sdk sandbox serve --tier re) COMP_CWORD=4
_nimbus_sdk_completion nimbus-sdk
printf "%s\\n" "${COMPREPLY[@]}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", str(commands)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("research\n", "")
