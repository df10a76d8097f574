"""The command line: parse, run, and the one place where an error becomes words and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from nimbus_sdk._version import __version__
from nimbus_sdk.errors import NimbusError

if TYPE_CHECKING:
    import typer

PROGRAM = "nimbus-sdk"
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

OUTPUT_CLOSED = 1
"""What Python's own documentation advises where nobody reads the output any more."""

_KEY_BEGINNING = "nbci_"
_STRAY = "Got unexpected extra argument"
_KEY_HINT = (
    "A key never goes on the command line, where other users and the shell's history see it. Leave it out "
    "to be asked for it, pipe it in with --key-stdin, or set the variable that it is read from, such as "
    "NIMBUS_API_KEY. If it was real, replace it."
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process with its exit code.

    Args:
        arguments: What follows the program's name; ``sys.argv`` where left out.

    Raises:
        SystemExit: Always, with the exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _never_fail_at_a_letter()
    try:
        status = _version() if given == ["--version"] else _outcome(given or ["--help"])
        sys.stdout.flush()
    except BrokenPipeError:
        status = _give_up_output()
    sys.exit(status)


def _outcome(given: list[str]) -> int:
    as_json = "--json" in given
    try:
        from nimbus_sdk.cli.app import Abort, UsageError, app

        try:
            status = app(given, prog_name=PROGRAM, standalone_mode=False)
        except UsageError as fault:
            return _misused(fault, given, as_json=as_json)
        except Abort:
            status = INTERRUPTED
    except NimbusError as error:
        from nimbus_sdk.cli.ui import error_output

        error_output.show(error_output.of(error, given[0]), as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        status = INTERRUPTED
    if status == INTERRUPTED:
        sys.stderr.write("\nInterrupted.\n")
    return status if isinstance(status, int) else 0


def _misused(fault: typer.BadParameter, given: list[str], *, as_json: bool) -> int:
    from nimbus_sdk.cli.ui import error_output
    from nimbus_sdk.transport.redaction import mask_keys, mask_long_words

    command = fault.ctx.command_path if fault.ctx is not None else PROGRAM
    message = mask_long_words(fault.format_message())
    has_key = any(_KEY_BEGINNING in argument or mask_keys(argument) != argument for argument in given)
    if message.startswith(_STRAY) and _takes_key(fault):
        # What is typed here in good faith is a key, whatever it looks like.
        message, has_key = f"{_STRAY}; it is not repeated here.", True
    complaint = error_output.Complaint(
        error="UsageError",
        message=message,
        hint=_KEY_HINT if has_key else f"`{command} --help` shows what it takes.",
        exit_code=fault.exit_code,
    )
    error_output.show(complaint, as_json=as_json)
    return fault.exit_code


def _takes_key(fault: typer.BadParameter) -> bool:
    return fault.ctx is not None and any(option.name == "key_stdin" for option in fault.ctx.command.params)


def _version() -> int:
    # Answered before anything is loaded: programs ask for it to see whether the SDK is there.
    sys.stdout.write(f"{PROGRAM} {__version__}\n")
    return 0


def _never_fail_at_a_letter() -> None:
    """A terminal or pipe that knows no … still gets the rest of the line."""
    for stream in (sys.stdout, sys.stderr):
        # A stream that stands in for the real one may lack the method.
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def _give_up_output() -> int:
    # What is still buffered would fail once more when the interpreter ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OUTPUT_CLOSED
