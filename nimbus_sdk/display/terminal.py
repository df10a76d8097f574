"""Whether somebody is there who can answer, and the one hidden question that the SDK asks."""

from __future__ import annotations

import sys


def is_interactive() -> bool:
    """True where a person can read a line and answer it: a terminal, or a running Jupyter kernel.

    Example:
        >>> isinstance(is_interactive(), bool)
        True
    """
    if is_notebook():
        return _kernel_asks()
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def prompt_hidden(label: str) -> str | None:
    """Ask for a secret without showing what is typed; None where that cannot be done.

    Args:
        label: The question, without a line break.
    """
    import warnings
    from getpass import GetPassWarning, getpass

    try:
        with warnings.catch_warnings():
            # Where the echo cannot be turned off, getpass warns and goes on to show the secret.
            warnings.simplefilter("error", GetPassWarning)
            return getpass(label)
    except (EOFError, GetPassWarning, NotImplementedError):
        # NotImplementedError is what a kernel says whose front end takes no input.
        return None


def print_notice(line: str) -> None:
    """Show the person one line, beside the program's own output."""
    if sys.stderr is not None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def is_notebook() -> bool:
    """Whether this process is the running kernel of a notebook."""
    # A program may import ipykernel without being a kernel, so that alone says nothing.
    application = getattr(sys.modules.get("ipykernel.kernelapp"), "IPKernelApp", None)
    return application is not None and bool(application.initialized())


def _kernel_asks() -> bool:
    """Whether the cell under way may ask; nbconvert and papermill, which run notebooks, let none."""
    kernel = getattr(sys.modules["ipykernel.kernelapp"].IPKernelApp.instance(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", True))


def is_terminal(stream: object) -> bool:
    """Whether a person sees what goes to a stream, or types what comes from it."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        # No stream at all (pythonw, some daemons), or one that was closed.
        return False


def escape_controls(text: str) -> str:
    """Write control and invisible characters as escapes: a name from a server must not move the cursor.

    Example:
        >>> escape_controls("Lab \\x1b[2J of J…")
        'Lab \\\\x1b[2J of J…'
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
