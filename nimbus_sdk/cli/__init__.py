"""The command line: run a command, print its error, end with its exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from nimbus_sdk._version import __version__
from nimbus_sdk.errors import NimbusError
from nimbus_sdk.errors.printable import ERROR_HANDLER

if TYPE_CHECKING:
    import typer

PROGRAM = "nimbus-sdk"
INTERRUPTED = 130
"""128 and the number of SIGINT, as in shells."""

# A pipe that nobody reads from any more, and a terminal that was closed.
_OUTPUT_CLOSED = (errno.EPIPE, errno.EIO)
_KEY_PREFIX = "nbci_"
_EXTRA_ARGUMENT = "Got unexpected extra argument"
_KEY_HINT = (
    "Never put a key on the command line: other users and the shell's history see it. Leave it out to be "
    "asked for it, pipe it in with --key-stdin, or set its environment variable, such as NIMBUS_API_KEY. "
    "If this was a real key, replace it."
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process with its exit code.

    Args:
        arguments: What follows the program's name; ``sys.argv`` if omitted.

    Raises:
        SystemExit: Always, with the exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _replace_unencodable_characters()
    try:
        status = 0
        # Programs ask for the version to see whether the SDK is installed: nothing else is loaded for it.
        if given == ["--version"]:
            sys.stdout.write(f"{PROGRAM} {__version__}\n")
        else:
            status = _run(given or ["--help"])
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in _OUTPUT_CLOSED:
            raise
        # The interpreter would fail at the end to write what is still buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # As Python's documentation advises for a closed output.
        status = 1
    sys.exit(status)


def _run(given: list[str]) -> int:
    as_json = "--json" in given
    try:
        from nimbus_sdk.cli.app import Abort, UsageError, command

        try:
            status = command(given, prog_name=PROGRAM, standalone_mode=False)
        except UsageError as error:
            return _report_usage_error(error, given, as_json=as_json)
        except Abort:
            status = INTERRUPTED
    except NimbusError as error:
        from nimbus_sdk.cli.ui import error_output

        error_output.print_report(error_output.create_report(error, given[0]), as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        status = INTERRUPTED
    if status == INTERRUPTED:
        sys.stderr.write("\nInterrupted.\n")
    return status if isinstance(status, int) else 0


def _report_usage_error(error: typer.BadParameter, given: list[str], *, as_json: bool) -> int:
    from nimbus_sdk.cli.ui import error_output
    from nimbus_sdk.transport.redaction import mask_keys, mask_long_words

    command, options = PROGRAM, set()
    if error.ctx is not None:
        command, options = error.ctx.command_path, {each.name for each in error.ctx.command.params}
    message = mask_long_words(error.format_message())
    has_key = any(_KEY_PREFIX in argument or mask_keys(argument) != argument for argument in given)
    if message.startswith(_EXTRA_ARGUMENT) and "key_stdin" in options:
        # An argument of a command that reads a key is probably a key, whatever it looks like.
        message, has_key = f"{_EXTRA_ARGUMENT}; it is not repeated here.", True
    report = error_output.ErrorReport(
        error="UsageError",
        message=message,
        hint=_KEY_HINT if has_key else f"Run `{command} --help`.",
        exit_code=error.exit_code,
    )
    error_output.print_report(report, as_json=as_json)
    return error.exit_code


def _replace_unencodable_characters() -> None:
    """Print ... or an escape for each character that a terminal or pipe cannot encode, such as …."""
    for stream in (sys.stdout, sys.stderr):
        # A stream that replaces the real one may not have the method.
        with suppress(AttributeError):
            stream.reconfigure(errors=ERROR_HANDLER)  # type: ignore[union-attr]
