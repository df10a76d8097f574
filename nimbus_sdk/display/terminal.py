"""Prompts and notices at a terminal or in a notebook."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from nimbus_sdk.errors.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Ask: TypeAlias = Callable[[str], "str | None"]


def is_interactive() -> bool:
    """Return whether a user can read a prompt and answer it: at a terminal, or in a running Jupyter kernel.

    Examples:
        >>> isinstance(is_interactive(), bool)
        True
    """
    if is_notebook():
        kernel = getattr(sys.modules["ipykernel.kernelapp"].IPKernelApp.instance(), "kernel", None)
        # Under nbconvert and papermill, a cell may not ask for input.
        return bool(getattr(kernel, "_allow_stdin", True))
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def prompt_hidden(label: str) -> str | None:
    """Ask for a secret without echo, and return it, or None if that is not possible."""
    import warnings
    from getpass import GetPassWarning, getpass

    try:
        with warnings.catch_warnings():
            # If the echo cannot be turned off, getpass only warns and displays the secret.
            warnings.simplefilter("error", GetPassWarning)
            return getpass(label)
    except (EOFError, GetPassWarning, NotImplementedError):
        # A kernel whose front end takes no input raises NotImplementedError.
        return None


@contextmanager
def secret_prompt(label: str, *, introduction: str, button: str) -> Iterator[Ask]:
    """Yield a function that asks for a secret, at the terminal or below the running cell of a notebook.

    It takes what was wrong with the answer before (empty the first time), and returns the answer or None.

    Args:
        label: What is asked for.
        introduction: A sentence for the notebook, such as where to get it.
        button: The text of the notebook's button.
    """
    if is_notebook():
        from nimbus_sdk.display.notebook_prompt import notebook_prompt

        with notebook_prompt(label, introduction, button, prompt_hidden) as ask:
            yield ask
        return

    def ask_at_terminal(problem: str) -> str | None:
        if problem:
            print_notice(problem)
        return prompt_hidden(f"{label} (hidden; Enter for none): ")

    yield ask_at_terminal


def print_notice(line: str) -> None:
    """Print a line to standard error, apart from the output of the program."""
    if sys.stderr is not None:
        sys.stderr.write(printable(f"{line}\n", sys.stderr))
        sys.stderr.flush()


@contextmanager
def restored_settings() -> Iterator[None]:
    """Give the terminal its settings back when the block ends: a prompt that was abandoned has no echo."""
    descriptor = _descriptor(sys.stdin)
    if descriptor is None or sys.platform == "win32":
        yield
        return
    import termios

    before = termios.tcgetattr(descriptor)
    try:
        yield
    finally:
        # A terminal that was closed meanwhile has no settings to restore.
        with suppress(termios.error):
            # A process in the background may look, and would be stopped if it changed anything.
            if termios.tcgetattr(descriptor) != before:
                termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def is_notebook() -> bool:
    """Return whether this process is the running kernel of a notebook."""
    # A program may import ipykernel without being a kernel.
    application = getattr(sys.modules.get("ipykernel.kernelapp"), "IPKernelApp", None)
    return application is not None and bool(application.initialized())


def _descriptor(stream: object) -> int | None:
    """Return the descriptor of a stream that is a terminal; some only pretend to be one, such as IDLE's."""
    try:
        descriptor = int(stream.fileno())  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return None
    return descriptor if is_terminal(stream) and os.isatty(descriptor) else None


def is_terminal(stream: object) -> bool:
    """Return whether a stream is a terminal."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        # There is no stream (pythonw, some daemons), or it is closed.
        return False


def escape_controls(text: str) -> str:
    """Write control and invisible characters as escapes: a name from a server must not move the cursor.

    Examples:
        >>> escape_controls("Lab \\x1b[2J of J…")
        'Lab \\\\x1b[2J of J…'
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
