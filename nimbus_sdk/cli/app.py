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
    doctor,
    install,
    logout,
    models,
    neuroai,
    nexus,
    nimbus_os,
    sandbox,
    status,
    stream,
)
from nimbus_sdk.cli.demo import command as demo
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.groups import Group, show_whole_summaries

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
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            show_default=False,
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    """Nimbus BCI: install the core once, then use it offline.

    No option takes a key: it is read from NIMBUS_API_KEY, a .env file, another file, a pipe, the credential
    store or a hidden prompt.

    \b
    Examples:
      nimbus-sdk demo       try everything on simulated data, without an account
      nimbus-sdk install    install the core; asks for the key, hidden
      nimbus-sdk status     show what is installed
    """


for function in (
    install.install,
    status.status,
    doctor.doctor,
    account.refresh,
    account.quota,
    models.models,
    account.explain,
    logout.logout,
    logout.revoke,
    stream.stream,
    demo.demo,
):
    app.command()(function)
app.add_typer(core.commands, name="core")
app.add_typer(bundle.commands, name="bundle")
app.add_typer(nimbus_os.commands, name="nimbus-os")
app.add_typer(neuroai.commands, name="neuroai")
app.add_typer(nexus.commands, name="nexus")
app.add_typer(audit.commands, name="audit")
app.add_typer(sandbox.commands, name="sandbox")

command = typer.main.get_command(app)
"""The same for the parser: built once, since that takes longer than most commands."""
show_whole_summaries(command)
