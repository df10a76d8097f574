"""Builds the wheel of the core once with hatchling, edits each variant of it once, and stores them."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import shutil
import tempfile
import threading
from dataclasses import astuple
from pathlib import Path

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.availability import unavailable_error
from nimbus_sdk.sandbox.github.wheel_edit import WheelSpec, edit_wheel

REFERENCE_CORE = Path(__file__).parents[2] / "reference_core"
_build_lock = threading.RLock()


class WheelCache:
    """Wheels by spec, stored on disk.

    Args:
        source: The core's sources.
        folder: Folder for the wheels, which later processes use too; None is a temporary one of this process.
    """

    def __init__(self, source: Path = REFERENCE_CORE, folder: Path | None = None) -> None:
        self._source = source
        self._folder = folder

    def wheel(self, spec: WheelSpec) -> Path:
        """Return the wheel for a spec; make it unless it was made before from the same sources."""
        with _build_lock:
            folder = (self._folder or _process_folder()) / self._digest(spec)
            if not folder.is_dir():
                self._make(folder, spec)
            return next(folder.glob("*.whl"))

    def _make(self, folder: Path, spec: WheelSpec) -> None:
        built = None if spec == WheelSpec() else self.wheel(WheelSpec())
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="draft-", dir=folder.parent) as draft:
            target = Path(draft, "wheel")
            target.mkdir()
            try:
                if built is None:
                    _build_wheel(self._source, target)
                else:
                    edit_wheel(built, target, spec)
                os.rename(target, folder)
            except OSError:
                # Another process may have made the same wheel meanwhile.
                if not folder.is_dir():
                    raise

    def _digest(self, spec: WheelSpec) -> str:
        state = hashlib.sha256(repr(astuple(spec)).encode())
        for path in sorted(self._source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                state.update(f"\0{path.relative_to(self._source)}\0".encode())
                state.update(path.read_bytes())
        return state.hexdigest()[:16]


def _build_wheel(source: Path, target: Path) -> None:
    """Build a copy of the project in one folder, which is not changed, into another folder."""
    try:
        from hatchling.builders.wheel import WheelBuilder
    except ModuleNotFoundError as error:
        raise unavailable_error(error) from error
    if not (source / "pyproject.toml").is_file():
        raise ConfigurationError(f"No core can be built from {source}: it has no pyproject.toml.")
    with tempfile.TemporaryDirectory(prefix="nimbus-core-") as folder:
        # The builder would apply the ignore rules of a repository around the sources.
        copy = shutil.copytree(
            source,
            Path(folder, "core"),
            ignore=shutil.ignore_patterns("__pycache__", "dist", ".*"),
            copy_function=shutil.copyfile,
        )
        for _ in WheelBuilder(str(copy)).build(directory=str(target), versions=["standard"]):
            pass


@functools.cache
def _process_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="nimbus-wheels-"))
    atexit.register(_remove_at_exit, folder, os.getpid())
    return folder


def _remove_at_exit(folder: Path, owner: int) -> None:
    # A forked child runs the exit handlers of its parent as well.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
