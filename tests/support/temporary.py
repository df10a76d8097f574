"""Where temporary files of tests go: into memory, if the system has a file system there with enough space."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")
_NEEDED_BYTES = 2 * 1024**3


def use_memory_for_temporary_files() -> None:
    """Let this process and those that it starts make temporary files in memory, unless TMPDIR says where."""
    if "TMPDIR" not in os.environ and _is_suitable(_IN_MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(_IN_MEMORY)


def _is_suitable(folder: Path) -> bool:
    try:
        flags = os.statvfs(folder).f_flag
        return not flags & os.ST_NOEXEC and shutil.disk_usage(folder).free > _NEEDED_BYTES
    except (OSError, AttributeError):
        return False
