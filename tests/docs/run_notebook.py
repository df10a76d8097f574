"""Runs the cells of a notebook in order: ``python run_notebook.py NOTEBOOK``.

In a kernel of Jupyter where one is installed, else as plain code with ``await`` allowed at the top level.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def in_kernel(notebook: Path) -> None:
    """As Jupyter does it."""
    import nbformat
    from nbclient import NotebookClient

    cells = nbformat.read(notebook, as_version=4)
    nbformat.validate(cells)
    NotebookClient(
        cells, kernel_name="python3", resources={"metadata": {"path": str(notebook.parent)}}
    ).execute()


def as_code(notebook: Path) -> None:
    """The code of all cells, in one namespace and one event loop."""
    os.chdir(notebook.parent)
    sys.path.insert(0, str(notebook.parent))
    namespace: dict[str, object] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                code = compile("".join(cell["source"]), cell["id"], "exec", flags=flags, dont_inherit=True)
                result = eval(code, namespace)
                if inspect.iscoroutine(result):
                    runner.run(result)


if __name__ == "__main__":
    has_kernel = find_spec("nbclient") is not None and find_spec("ipykernel") is not None
    (in_kernel if has_kernel else as_code)(Path(sys.argv[1]).resolve())
