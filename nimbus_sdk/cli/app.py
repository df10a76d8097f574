"""The application with all its commands."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from nimbus_sdk._version import __version__
from nimbus_sdk.cli.commands import (
    account,
    audit,
    bundle,
    core,
    models,
    neuroai,
    nexus,
    nimbus_os,
    sandbox,
    status,
    stream,
)
from nimbus_sdk.cli.demo.run import demo
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.groups import Group, arrange_help
from nimbus_sdk.cli.ui.options import flag

Abort = typer.Abort
UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""An invalid command line; typer exports only a child of this class."""


app = typer.Typer(
    name="nimbus-sdk",
    context_settings={"help_option_names": ["-h", "--help"]},
    cls=Group,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        output.print_lines(f"nimbus-sdk {__version__}")
        raise typer.Exit


@app.callback()
def nimbus_sdk(
    version: Annotated[
        bool, flag("--version", "Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Nimbus BCI: install the core once, then use it offline.

    No option takes a key: it is read from NIMBUS_API_KEY, a .env file, another file, a pipe, the credential
    store or a hidden prompt.

    Examples:
      nimbus-sdk demo       try everything on simulated data, without an account
      nimbus-sdk install    install the core; asks for the key, hidden
      nimbus-sdk status     show what is installed
    """


for function in (
    core.install,
    status.status,
    status.doctor,
    account.refresh,
    account.quota,
    models.models,
    account.explain,
    account.logout,
    account.revoke,
    stream.stream,
    demo,
):
    app.command()(function)
for module in (core, bundle, nimbus_os, neuroai, nexus, audit, sandbox):
    app.add_typer(module.commands)

command = typer.main.get_command(app)
"""The same for the parser: built once, since that takes longer than most commands."""
arrange_help(command)
