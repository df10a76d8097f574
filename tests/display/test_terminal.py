"""Whether a user can be asked, and the hidden prompt."""

import getpass
import io
import os
import sys
import warnings
from types import SimpleNamespace

import pytest

from nimbus_sdk.display.terminal import is_interactive, print_notice, prompt_hidden, restored_settings

TERMINAL = SimpleNamespace(isatty=lambda: True)
PIPE = SimpleNamespace(isatty=lambda: False)


def closed():
    """A stream that was closed."""
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize(
    ("stdin", "stderr", "there"),
    [
        (TERMINAL, TERMINAL, True),
        (PIPE, TERMINAL, False),
        (TERMINAL, PIPE, False),
        (None, None, False),
        (closed(), TERMINAL, False),
    ],
)
def test_a_person_needs_a_terminal_to_read_and_to_type(monkeypatch, stdin, stderr, there):
    """Input and error output must both be terminals; none at all, or a closed one, is nobody."""
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stderr", stderr)
    assert is_interactive() is there


@pytest.mark.parametrize(("running", "asks"), [(True, True), (False, True), (True, False)])
def test_a_running_kernel_is_a_person_and_an_imported_one_is_not(monkeypatch, running, asks):
    """A notebook can show a question; one that nbconvert runs cannot, nor one that only imports ipykernel."""
    monkeypatch.setattr(sys, "stdin", PIPE)
    instance = SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=asks))
    application = SimpleNamespace(initialized=lambda: running, instance=lambda: instance)
    kernel = SimpleNamespace(IPKernelApp=application)
    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", kernel)
    assert is_interactive() is (running and asks)


def test_the_answer_is_given_back(monkeypatch):
    """The input at the hidden prompt is returned; the label is displayed."""
    monkeypatch.setattr(getpass, "getpass", lambda label: f"{label}typed")
    assert prompt_hidden("Key: ") == "Key: typed"


def no_echo_control(label):
    """What getpass does where it cannot turn the echo off."""
    warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
    return "shown on the screen"


@pytest.mark.parametrize("fault", [EOFError(), NotImplementedError(), None], ids=["end", "kernel", "echo"])
def test_where_it_cannot_be_hidden_nothing_is_asked(monkeypatch, fault):
    """End of input, a kernel without input, a terminal that would show the key: no answer."""

    def ask(label):
        if fault is None:
            return no_echo_control(label)
        raise fault

    monkeypatch.setattr(getpass, "getpass", ask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert prompt_hidden("Key: ") is None


def test_a_line_goes_beside_the_output(capsys, monkeypatch):
    """Notices go to standard error, and nowhere without one."""
    print_notice("a line")
    assert capsys.readouterr() == ("", "a line\n")
    monkeypatch.setattr(sys, "stderr", None)
    print_notice("nobody reads this")


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_terminal_has_its_settings_again(monkeypatch):
    """A prompt that was abandoned, or ended by Ctrl-C, leaves the echo as it was."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    with os.fdopen(ours), os.fdopen(theirs) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        before = termios.tcgetattr(theirs)

        def abandon():
            with restored_settings():
                changed = termios.tcgetattr(theirs)
                changed[3] &= ~termios.ECHO
                termios.tcsetattr(theirs, termios.TCSANOW, changed)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            abandon()
        assert termios.tcgetattr(theirs) == before


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_terminal_that_was_closed_has_no_settings_to_restore(monkeypatch):
    """What happened in the block counts, not that its terminal is gone."""
    import pty

    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stream:
        monkeypatch.setattr(sys, "stdin", stream)

        def hang_up():
            with restored_settings():
                os.close(ours)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            hang_up()


@pytest.mark.parametrize("stream", [TERMINAL, PIPE, None, io.StringIO(), closed()])
def test_what_is_no_terminal_has_no_settings(monkeypatch, stream):
    """A stream that only claims to be a terminal, such as that of an editor, is left alone."""
    monkeypatch.setattr(sys, "stdin", stream)
    done = []
    with restored_settings():
        done.append("block")
    assert done
