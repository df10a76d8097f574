"""What is shown while something long is going on: nothing where nobody looks, and nothing but text."""

import contextlib
import io
import os
import pty
import re
import select
import subprocess
import sys
import time
import types

import pytest

from nimbus_sdk.display.progress import ProgressEvent, download_report
from nimbus_sdk.display.reporting import html_progress, progress_html, reporting

STEPS = [
    ProgressEvent("validate", "Validating nbci_test_0123…89ab"),
    ProgressEvent("download", "Downloading core 0.1.0", 0, 4 * 2**20),
    ProgressEvent("download", "Downloading core 0.1.0", 2**20, 4 * 2**20),
    ProgressEvent("download", "Downloading core 0.1.0", 4 * 2**20, 4 * 2**20),
    ProgressEvent("done", "Done"),
]


def play(progress, quiet=False):
    """Report all steps."""
    with reporting(progress, quiet) as report:
        for event in STEPS:
            report(event)


class Terminal(io.StringIO):
    """A stream that says that somebody looks."""

    def isatty(self):
        """Somebody does."""
        return True


@pytest.fixture
def look(monkeypatch):
    """Makes standard error a terminal; from within the test, since pytest sets it anew for each phase."""

    def look():
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        return terminal

    return look


def test_nothing_is_shown_where_nobody_looks(capsys):
    """Standard error is no terminal, so nothing is written to it."""
    play(None)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_program_without_standard_error_is_not_disturbed(monkeypatch, stream):
    """pythonw has none, and some daemons close it."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", None if stream is None else closed)
    play(None)


def test_a_function_gets_every_event_in_order(capsys):
    """And nothing else is shown."""
    seen = []
    play(seen.append)
    assert seen == STEPS
    assert capsys.readouterr() == ("", "")


def test_a_function_is_called_although_bars_are_switched_off():
    """NIMBUS_SDK_NO_PROGRESS silences bars; who hands a function in wants it."""
    seen = []
    play(seen.append, quiet=True)
    assert seen == STEPS


def test_a_terminal_gets_a_bar(look):
    """With the steps in words, on standard error."""
    terminal = look()
    play(None)
    shown = terminal.getvalue()
    assert "Done" in shown
    assert "4.2/4.2 MB" in shown


def test_a_step_without_bytes_shows_none(look):
    """No bar, no bytes, no speed: neither unknown ones nor those of the download before."""
    terminal = look()
    with reporting(None, False) as report:
        report(STEPS[0])
    assert STEPS[0].message in terminal.getvalue()
    assert "bytes" not in terminal.getvalue()
    assert "━" not in terminal.getvalue()


def test_a_step_that_fails_leaves_no_spinner(look):
    """The last thing on the screen is not a step that seems to continue; the bytes of a download stay."""
    terminal = look()
    with contextlib.suppress(OSError), reporting(None, False) as report:
        for event in (*STEPS[:3], ProgressEvent("verify", "Checking the wheel")):
            report(event)
        raise OSError
    last = terminal.getvalue().rpartition("Checking the wheel")[2]
    assert last.endswith("\x1b[?25h")
    assert "1.0/4.2 MB" in last


def test_the_bytes_of_a_download_stay_on_their_own_line(look):
    """What comes after it has none."""
    terminal = look()
    play(None)
    download, done = terminal.getvalue().splitlines()[-2:]
    assert "4.2/4.2 MB" in download
    assert "Done" in done
    assert "MB" not in done


@pytest.mark.parametrize(("progress", "quiet"), [(False, False), (None, True), (False, True)])
def test_a_terminal_that_wants_none_gets_none(look, progress, quiet):
    """By argument, or by the setting."""
    terminal = look()
    play(progress, quiet)
    assert terminal.getvalue() == ""


def test_who_asks_for_a_bar_gets_one(monkeypatch):
    """True wins over the setting and over what the stream is."""
    plain = io.StringIO()
    monkeypatch.setattr(sys, "stderr", plain)
    play(True, quiet=True)
    assert "Done" in plain.getvalue()


@pytest.mark.tiny_core
def test_a_bar_is_drawn_on_a_real_terminal_and_the_output_is_left_alone(
    sandbox, key, isolated_home, commands
):
    """A program on a pty: the bar comes with its bytes, standard output has only the program's own."""
    code = "import nimbus_sdk\nprint(nimbus_sdk.install_core().license_type)\n"
    leader, follower = pty.openpty()
    environ = {**os.environ, "NIMBUS_API_KEY": key, "TERM": "xterm", "COLUMNS": "120"}
    del environ["NIMBUS_SDK_NO_PROGRESS"]
    program = subprocess.Popen(
        [commands / "python", "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=follower,
        env=environ,
        cwd=isolated_home / "work",
    )
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # the other end of a pty is closed by its program's end
        while select.select([leader], [], [], 30)[0] and (piece := os.read(leader, 65536)):
            shown += piece
    output, _ = program.communicate(timeout=30)
    os.close(leader)
    assert program.returncode == 0
    assert output == b"research\n"
    text = shown.decode()
    assert re.search(r"✓ Core \S+ is installed \(research license\); everything works offline now\s*$", text)
    assert "kB" in text or "MB" in text
    assert key not in text


# Notebooks


@pytest.fixture
def kernel(monkeypatch):
    """A kernel that runs, and what its cell shows: a stand-in for IPython, which is not installed here."""
    shown = []

    class Handle:
        def update(self, html):
            shown.append(html)

    def display(html, display_id):
        shown.append(html)
        return Handle()

    application = types.SimpleNamespace(initialized=lambda: True)
    modules = {
        "ipykernel": types.ModuleType("ipykernel"),
        "ipykernel.kernelapp": types.SimpleNamespace(IPKernelApp=application),
        "IPython": types.ModuleType("IPython"),
        "IPython.display": types.SimpleNamespace(HTML=str, display=display),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return types.SimpleNamespace(shown=shown, application=application)


def test_a_notebook_shows_one_bar_in_its_cell(kernel, capsys):
    """Steps as HTML, in place; nothing on the streams."""
    play(None)
    assert kernel.shown[-1] == "<div>✓ Done.</div>"
    assert "Downloading core 0.1.0" in kernel.shown[1]
    assert capsys.readouterr() == ("", "")


def test_an_install_in_a_notebook_ends_with_one_line(kernel):
    """The line says that it is done, and what to run next."""
    with html_progress("load_model(…)") as report:
        report(ProgressEvent("done", "Core 0.1.0 is installed"))
    assert kernel.shown[-1] == "<div>✓ Core 0.1.0 is installed. Next: <code>load_model(…)</code></div>"


def test_the_last_step_is_shown_in_full(look, monkeypatch):
    """In a narrow terminal, too, no step is cut off beside the bytes of the download."""
    terminal = look()
    monkeypatch.setenv("COLUMNS", "60")
    with reporting(True, quiet=False) as report:
        for event in STEPS[:-1]:
            report(event)
        report(
            ProgressEvent("done", "Core 0.1.0 is installed (research license); everything works offline now")
        )
    shown = terminal.getvalue().replace("89ab", "").replace("0123…", "")
    assert "…" not in shown
    assert "everything works offline now" in " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).split())


def stop_with(progress, event, error):
    """Report one step, then fail."""
    with progress as report:
        report(event)
        raise error


@pytest.mark.parametrize("stop", [KeyboardInterrupt, GeneratorExit])
def test_an_interrupted_download_says_that_it_goes_on(kernel, look, stop):
    """In a notebook and in a terminal: what is stored, and that the next run continues."""
    part = ProgressEvent("download", "Downloading core 0.1.0", 2**20, 4 * 2**20)
    said = "Interrupted: 1.0 of 4.0 MiB are stored. Run it again, and the download resumes there."
    with pytest.raises(stop):
        stop_with(html_progress(), part, stop())
    assert kernel.shown[-1] == f"<div>{said}</div>"
    kernel.application.initialized = lambda: False
    terminal = look()
    with pytest.raises(stop):
        stop_with(reporting(None, False), part, stop())
    assert said in " ".join(terminal.getvalue().split())


def test_a_step_that_failed_leaves_no_line(kernel):
    """The error below it says more; a call that fails before its first step has no output at all."""
    with pytest.raises(ValueError, match="broken"):
        stop_with(html_progress(), STEPS[0], ValueError("broken"))
    assert kernel.shown[-1] == ""
    kernel.shown.clear()
    with pytest.raises(ValueError, match="broken"), html_progress():
        raise ValueError("broken")
    assert kernel.shown == []


def test_a_notebook_that_wants_none_gets_none(kernel):
    """The setting counts there too."""
    play(None, quiet=True)
    play(False)
    assert kernel.shown == []


def test_a_program_that_only_imports_a_kernels_package_is_no_notebook(kernel, capsys):
    """Debuggers and editors do; there is no cell to draw in."""
    kernel.application.initialized = lambda: False
    play(None)
    assert kernel.shown == []
    assert capsys.readouterr() == ("", "")


def test_a_fast_download_is_not_drawn_at_every_chunk(kernel, monkeypatch):
    """Ten times a second at most, and the last one always."""
    now = [1000.0]
    monkeypatch.setattr("nimbus_sdk.display.reporting.time", types.SimpleNamespace(monotonic=lambda: now[0]))
    with html_progress() as report:
        for done in range(1001):
            now[0] += 0.001
            report(ProgressEvent("download", "x", done, 1000))
    assert 8 <= len(kernel.shown) <= 14
    assert "value='1000'" in kernel.shown[-1]


@pytest.mark.parametrize(
    "message",
    ["<script>alert(1)</script>", "a & b", "\"quoted\" 'too'", "</div><img src=x onerror=alert(1)>"],
)
def test_every_value_is_escaped(message):
    """A message is text, with or without a bar."""
    for event in (ProgressEvent("wait", message), ProgressEvent("download", message, 1, 2)):
        html = progress_html(event)
        assert message not in html or "<" not in message
        assert "<script" not in html
        assert "<img" not in html
        assert html.count("<div>") == 1


@pytest.mark.parametrize(
    ("done", "total", "bar"),
    [(None, None, False), (5, None, False), (5, 0, False), (0, 5, True), (5, 5, True)],
)
def test_a_bar_needs_something_to_count(done, total, bar):
    """Without a total there is only the text."""
    assert ("<progress" in progress_html(ProgressEvent("download", "x", done, total))) is bar


def test_an_event_says_what_it_is():
    """Stage, words, and bytes where there are any; it cannot be changed."""
    event = ProgressEvent("download", "Downloading", 1, 2)
    assert (event.stage, event.message, event.done, event.total) == ("download", "Downloading", 1, 2)
    with pytest.raises(AttributeError):
        event.done = 5  # type: ignore[misc]


def test_a_silent_install_costs_no_drawing_library(fresh):
    """rich is loaded only where a bar is drawn."""
    fresh(
        "import sys\n"
        "from nimbus_sdk.display.progress import ProgressEvent\n"
        "from nimbus_sdk.display.reporting import reporting\n"
        "with reporting(None, False) as report:\n"
        "    report(ProgressEvent('done', 'x'))\n"
        "assert 'rich' not in sys.modules\n"
    )


def test_a_download_that_stalls_says_so(look, monkeypatch):
    """The bar shows for how long there has been no data, or what is being waited for, on its own line."""
    monkeypatch.setattr("nimbus_sdk.display.progress_bar.STALL_SECONDS", 0.0)
    terminal = look()
    with reporting(None, False) as report:
        show = download_report(report, "Downloading core 0.1.0")
        show(2**20, 4 * 2**20, None)
        time.sleep(0.2)  # the bar is drawn ten times a second
        assert "1.0/4.2 MB no data for 0 s" in terminal.getvalue()
        show(2**20, 4 * 2**20, 8.3)
    (line,) = terminal.getvalue().splitlines()[-2:-1]
    assert "Downloading core 0.1.0" in line
    assert "1.0/4.2 MB next attempt in 8 s" in line


def test_a_download_that_is_complete_does_not_stall(look, monkeypatch):
    """What comes after it may take as long as it likes."""
    monkeypatch.setattr("nimbus_sdk.display.progress_bar.STALL_SECONDS", 0.0)
    terminal = look()
    with reporting(None, False) as report:
        download_report(report, "Downloading core 0.1.0")(2**20, 2**20, None)
        report(ProgressEvent("done", "Done"))
    assert "no data" not in terminal.getvalue()


def test_an_interrupted_download_says_so_in_a_notebook():
    """Beside the bytes."""
    drawn = progress_html(ProgressEvent("download", "It", 0, 4, retry_in=2.2))
    assert drawn.endswith("0.0 of 0.0 MiB, interrupted, next attempt in 2 s</div>")
