"""Builds each wheel of the reference core once, and keeps it."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
import threading
from dataclasses import astuple
from pathlib import Path

from nimbus_sdk.sandbox.github.wheel_build import build_wheel
from nimbus_sdk.sandbox.github.wheel_edit import Recipe, repack

REFERENCE_CORE = Path(__file__).parents[2] / "reference_core"
_building = threading.Lock()


class Workshop:
    """Wheels by recipe, kept on disk.

    Args:
        source: The core's sources.
        folder: Where wheels are kept, for the next process too; None keeps them for this process alone.
    """

    def __init__(self, source: Path = REFERENCE_CORE, folder: Path | None = None) -> None:
        self._source = source
        self._folder = folder

    def wheel(self, recipe: Recipe) -> Path:
        """The wheel for a recipe, built unless it was before from the same sources."""
        with _building:
            shelf = self._shelf() / self._digest(recipe)
            if not shelf.is_dir():
                self._fill(shelf, recipe)
            return next(shelf.glob("*.whl"))

    def _fill(self, shelf: Path, recipe: Recipe) -> None:
        shelf.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=shelf.parent))
        try:
            built = build_wheel(self._source, draft / "built", version=recipe.version, broken=recipe.broken)
            (draft / "done").mkdir()
            if recipe.is_plain:
                shutil.move(built, draft / "done")
            else:
                repack(built, draft / "done", recipe)
            _put_in_place(draft / "done", shelf)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _shelf(self) -> Path:
        return self._folder if self._folder is not None else _process_folder()

    def _digest(self, recipe: Recipe) -> str:
        state = hashlib.sha256(repr(astuple(recipe)).encode())
        for path in sorted(self._source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                state.update(f"\0{path.relative_to(self._source)}\0".encode())
                state.update(path.read_bytes())
        return state.hexdigest()[:16]


def _put_in_place(done: Path, shelf: Path) -> None:
    try:
        os.rename(done, shelf)
    except OSError:
        # Another process was quicker and built the same wheel.
        if not shelf.is_dir():
            raise


_folders: list[Path] = []


def _remove(folder: Path, owner: int) -> None:
    # A forked child ends with its parent's list of things to do at exit.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _process_folder() -> Path:
    if not _folders:
        folder = Path(tempfile.mkdtemp(prefix="nimbus-wheels-"))
        atexit.register(_remove, folder, os.getpid())
        _folders.append(folder)
    return _folders[0]
