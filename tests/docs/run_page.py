"""Runs one page of the documentation in this process, block after block: ``python run_page.py PAGE``.

``python`` blocks share one namespace; one that defines tests becomes a file of its own, and pytest runs those
in the end. ``bash`` blocks run in a shell. An ``output`` block is what the block before it printed, where
… means any text. Other blocks are for reading. The key that pages show is replaced by the one in
NIMBUS_API_KEY.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from pages import Block, blocks, fits  # type: ignore[import-not-found]

KEY_IN_PAGES = "nbci_live_your_key_here"


def run(page: Path) -> None:
    """Run every block of a page that can run."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed, tests = "", []
    for block in blocks(page):
        text = block.text.replace(KEY_IN_PAGES, os.environ["NIMBUS_API_KEY"])
        if block.language == "python" and re.search(r"^(async )?def test_", text, re.MULTILINE):
            tests.append(f"test_page_{block.line}.py")
            Path(tests[-1]).write_text(text, encoding="utf-8")
        elif block.language == "python":
            printed = _executed(text, block, page, namespace)
        elif block.language == "bash":
            printed = _spawned(["bash", "-euo", "pipefail", "-c", text], f"{page}:{block.line}")
        elif block.language == "output":
            _compare(block, printed, page)
    if tests:
        pytest = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp=folders"]
        _spawned([*pytest, *tests], f"the tests of {page}")


def _executed(text: str, block: Block, page: Path, namespace: dict[str, object]) -> str:
    # As many empty lines before it as the page has, so that a traceback names the page's own lines.
    source = "\n" * (block.line - 1) + text
    code = compile(source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        result = eval(code, namespace)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    return output.getvalue()


def _spawned(command: list[str], what: str) -> str:
    done = subprocess.run(
        command,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{what} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def _compare(block: Block, printed: str, page: Path) -> None:
    if not fits(block.text, printed):
        raise SystemExit(f"{page}:{block.line} shows\n{block.text}\nbut this was printed:\n{printed}")


if __name__ == "__main__":
    run(Path(sys.argv[1]))
