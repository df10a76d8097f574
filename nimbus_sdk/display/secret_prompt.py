"""Ask for a secret as often as it takes, at the terminal or in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nimbus_sdk.display.terminal import is_notebook, print_notice, prompt_hidden

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Ask: TypeAlias = Callable[[str], "str | None"]


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
        from nimbus_sdk.display.key_form import NotebookPrompt

        with NotebookPrompt(label, introduction, button) as ask:
            yield ask
        return

    def ask_at_terminal(problem: str) -> str | None:
        if problem:
            print_notice(problem)
        return prompt_hidden(f"{label} (hidden; Enter for none): ")

    yield ask_at_terminal
