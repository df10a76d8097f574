"""Ask for a secret in a notebook: a form with a hidden field and a button, or the prompt of the front end.

A cell can wait for a form only where the front end sends what is typed past the cell, on a subshell of the
kernel (Jupyter Enhancement Proposal 91), as JupyterLab does. Whether it does is tried first. Elsewhere, as in
Visual Studio Code, the front end's own hidden prompt is used.

What is typed does not get into the notebook's file: the field is emptied as soon as the text has arrived, and
the form is closed, and its output replaced, before the cell ends.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from html import escape
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import DisplayHandle
    from ipywidgets import Button, Widget

_TRY_SECONDS = (3.0, 2.0, 4.0)
_POLL_SECONDS = 0.1
_CLICK_SECONDS = 1.0


@contextmanager
def notebook_prompt(
    label: str, introduction: str, button: str, prompt: Callable[[str], str | None]
) -> Iterator[Callable[[str], str | None]]:
    """Yield a function that asks below the running cell, if not in a form then with ``prompt``."""
    from IPython.display import HTML, display

    place: DisplayHandle | None = None
    form: _Form | None = None

    def ask(problem: str) -> str | None:
        nonlocal place, form
        if place is None:
            place = display(HTML(""), display_id=True)
            if _gets_past_cells(place):
                form = _Form(label, introduction, button)
                place.update(form.box)
        if form is not None:
            return form.ask(problem)
        place.update(HTML(f"<div>{escape(introduction)}</div>{_problem_html(problem)}"))
        return prompt(f"{label} (Enter for none): ")

    try:
        yield ask
    finally:
        if place is not None:
            place.update(HTML(""))
        if form is not None:
            _close([*form.box.children, form.box])


class _Form:
    """The widgets, and the queue in which their thread puts what was typed."""

    def __init__(self, label: str, introduction: str, button: str) -> None:
        from ipywidgets import HTML, Button, Password, VBox

        # With each letter, the field would send another part of the secret.
        self._field = Password(placeholder=label, continuous_update=False, layout={"width": "32em"})
        self._button = Button(description=button, button_style="primary")
        self._status, text = HTML(), HTML(f"<div>{escape(introduction)}</div>")
        self.box = VBox([text, self._field, self._button, self._status])
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._taken_at = -math.inf
        self._field.observe(self._take, "value")
        self._button.on_click(self._press)

    def ask(self, problem: str) -> str:
        self._status.value = _problem_html(problem)
        self._set_disabled(False)
        while True:
            try:
                answer = self._answers.get(timeout=_POLL_SECONDS)
            except Empty:
                # A wait without an end could not be interrupted on Windows.
                continue
            if answer:
                self._set_disabled(True)
                self._status.value = ""
                return answer
            self._status.value = _problem_html("The field is empty.")

    def _take(self, change: dict[str, object]) -> None:
        if change["new"]:
            self._field.value = ""
            self._taken_at = time.monotonic()
            self._answers.put(str(change["new"]))

    def _press(self, button: Button) -> None:
        # A click first leaves the field, which has sent the text by then.
        if time.monotonic() - self._taken_at > _CLICK_SECONDS:
            self._answers.put("")

    def _set_disabled(self, value: bool) -> None:
        self._field.disabled = self._button.disabled = value
        _send_past_cells([self._field, self._button])


def _gets_past_cells(place: DisplayHandle) -> bool:
    """Whether what a widget sends arrives while a cell runs, if the front end has subshells."""
    if find_spec("ipywidgets") is None:
        return False
    for seconds in _TRY_SECONDS:
        if _counts(place, seconds):
            return True
        # A widget that sent something before its subshell was known waits for the cell, and sends no more.
        if not _subshells():
            break
    return False


def _counts(place: DisplayHandle, seconds: float) -> bool:
    """Whether a hidden widget, which counts by itself, sends its number within a time."""
    from IPython.display import HTML
    from ipywidgets import Play, VBox

    arrived: SimpleQueue[object] = SimpleQueue()
    counter = Play(min=0, max=1, interval=1)
    counter.observe(lambda change: arrived.put(change["new"]), "value")
    box = VBox([counter], layout={"display": "none"})
    place.update(box)
    end = time.monotonic() + seconds
    try:
        # A front end that has no subshell yet would wait for the answer to what it sends before.
        while not _subshells() and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
        while time.monotonic() < end:
            # It starts to count when this changes, once the front end has drawn it.
            counter.playing = not counter.playing
            _send_past_cells([counter])
            try:
                arrived.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            return True
        return False
    finally:
        # JupyterLab hides an output for good whose widget is closed while it is there.
        place.update(HTML(""))
        _close([counter, box])


def _subshells() -> list[str]:
    kernel = sys.modules["ipykernel.kernelapp"].IPKernelApp.instance().kernel
    manager = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
    return [] if manager is None else list(manager.list_subshell())


def _send_past_cells(widgets: Iterable[Widget]) -> None:
    """Let the front end choose the channel of what a widget sends next.

    ipykernel from 7.4 on would send it to the thread that changed the widget last: the one that waits.
    """
    for widget in widgets:
        # A front end that knows no widgets has closed it.
        if widget.comm is not None:
            vars(widget.comm).pop("_reply_subshell_id", None)


def _close(widgets: Iterable[Widget]) -> None:
    for widget in widgets:
        for name in ("layout", "style"):
            if hasattr(widget, name):
                getattr(widget, name).close()
        widget.close()


def _problem_html(problem: str) -> str:
    return f"<div style='color:#d33;font-weight:bold'>{escape(problem)}</div>" if problem else ""
