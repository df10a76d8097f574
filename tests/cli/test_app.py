"""Help, version and exit codes, and what loading them costs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

from nimbus_sdk import errors
from nimbus_sdk._version import __version__
from nimbus_sdk.cli.app import command
from nimbus_sdk.cli.ui.groups import list_exit_codes
from nimbus_sdk.errors import NimbusError
from tests.cli.conftest import Nimbus
from tests.conftest import Fresh

WORDS_FOR_SECRETS = ("key", "token", "secret", "password", "credential")


def _walk(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _walk(child, (*path, name))


COMMANDS = dict(_walk(command))
LEAVES = [path for path, command in COMMANDS.items() if not hasattr(command, "commands")]


def test_the_commands_are_those_that_are_documented() -> None:
    """A command that comes or goes is a visible change of the surface."""
    assert {" ".join(path) for path in LEAVES} == {
        "bundle create",
        "bundle install",
        "install",
        "status",
        "refresh",
        "quota",
        "models",
        "explain",
        "logout",
        "revoke",
        "demo",
        "stream",
        "doctor",
        "core list",
        "core use",
        "core rollback",
        "core verify",
        "core uninstall",
        "nimbus-os get",
        "nimbus-os save-key",
        "nimbus-os restore-key",
        "nimbus-os forget-key",
        "nimbus-os rotation start",
        "nimbus-os rotation status",
        "nimbus-os rotation confirm",
        "nimbus-os rotation undo",
        "neuroai verify",
        "neuroai save-key",
        "neuroai restore-key",
        "neuroai forget-key",
        "neuroai keys list",
        "neuroai keys create",
        "neuroai keys get",
        "neuroai keys update",
        "neuroai keys rotate",
        "neuroai keys delete",
        "nexus claims",
        "nexus ask",
        "nexus save-key",
        "nexus restore-key",
        "nexus forget-key",
        "audit show",
        "audit verify",
        "sandbox serve",
        "sandbox env",
        "sandbox run",
        "sandbox keys create",
        "sandbox keys list",
        "sandbox keys revoke",
    }


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_a_page_with_examples(nimbus: Nimbus, path: tuple[str, ...]) -> None:
    """`--help` of each command shows how to use it and what its JSON holds."""
    page = nimbus(*path, "--help")
    assert page.code == 0
    assert page.err == ""
    assert "Example" in page.out
    assert f"nimbus-sdk {' '.join(path)}" in page.out
    # `sandbox run` prints what the command prints.
    assert ("--json" in page.out) == ("JSON" in page.out) == (path != ("sandbox", "run"))
    assert nimbus(*path, "-h").out == page.out


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_no_option_takes_a_secret(path: tuple[str, ...]) -> None:
    """An option that is named after a secret is a switch, never a value."""
    for parameter in COMMANDS[path].params:  # type: ignore[attr-defined]
        if any(word in parameter.name.lower() for word in WORDS_FOR_SECRETS):
            assert parameter.is_flag, parameter.name


def test_without_arguments_the_page_is_shown(nimbus: Nimbus) -> None:
    """`nimbus-sdk` alone answers with its help, and that is no failure."""
    alone = nimbus()
    assert alone.code == 0
    assert alone.out == nimbus("--help").out
    assert "nimbus-sdk demo" in alone.out


def test_the_page_lists_every_exit_code_of_the_error_tree(nimbus: Nimbus) -> None:
    """The table of exit codes is read off the classes, so none is missing and none is wrong."""
    page, table = " ".join(nimbus("--help").out.split()), dict(list_exit_codes())
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, NimbusError) and kind.__module__ == errors.__name__
    ]
    assert len(kinds) > 25
    for kind in kinds:
        assert kind.__name__ in table[kind.exit_code]
    for code, meaning in table.items():
        assert f" {code} {meaning} " in f"{page} "


@pytest.mark.parametrize("columns", ["80", "60"])
def test_a_page_fits_the_terminal(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """No line of a page is wider than 80 columns, and the summary of a command is whole in any width."""
    monkeypatch.setenv("COLUMNS", columns)
    for path, page in ((path, nimbus(*path, "-h").out) for path in COMMANDS):
        assert max(map(len, page.splitlines())) <= 80, path
        usage, _, rest = page.partition("\n\n")
        assert "..." not in rest, path
        assert usage.startswith("Usage: nimbus-sdk")


def test_the_version_is_printed_before_anything_is_loaded(fresh: Fresh) -> None:
    """`--version` loads none of the libraries, so that it answers at once."""
    done = fresh(
        """
import sys
from nimbus_sdk.cli import main
try:
    main(["--version"])
finally:
    heavy = {"httpcore", "pydantic", "numpy", "keyring", "typer", "rich", "starlette"} & set(sys.modules)
    assert not heavy, heavy
"""
    )
    assert done.stdout == f"nimbus-sdk {__version__}\n"


def test_the_version_is_printed_beside_other_options_too(nimbus: Nimbus) -> None:
    """`--version` wins over all other arguments."""
    assert nimbus("--version", "status").out == f"nimbus-sdk {__version__}\n"


def test_loading_the_commands_loads_none_of_what_they_work_with(fresh: Fresh) -> None:
    """All commands are known at the price of typer: what they work with is loaded when one runs."""
    fresh(
        """
import sys
import nimbus_sdk.cli.app
heavy = {"httpcore", "numpy", "keyring", "starlette", "filelock", "nimbus_sdk.core"} & set(sys.modules)
assert not heavy, heavy
"""
    )
