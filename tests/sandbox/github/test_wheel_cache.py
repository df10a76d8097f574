"""Wheels are built once and stored."""

from __future__ import annotations

import subprocess
import sys

from nimbus_sdk.sandbox import Sandbox
from tests.support.sandbox_requests import (
    first_asset_path,
)


def test_the_next_sandbox_uses_the_same_folder(tmp_path, core_source):
    """A wheel in the folder is not built again, unless the sources changed."""
    with Sandbox(wheel_dir=tmp_path, core_source=core_source) as sandbox:
        first = first_asset_path(sandbox.publish("0.6.0"))
        built_at = first.stat().st_mtime_ns
    with Sandbox(wheel_dir=tmp_path, core_source=core_source) as sandbox:
        again = first_asset_path(sandbox.publish("0.6.0"))
    assert (again, again.stat().st_mtime_ns) == (first, built_at)
    assert not list(tmp_path.glob("draft-*"))


def test_processes_that_build_at_once_share_one_wheel(tmp_path, core_source):
    """Three processes that need the same wheel in the same folder all get it, and leave one."""
    code = (
        "import sys; from pathlib import Path\n"
        "from nimbus_sdk.sandbox.github.wheel_cache import WheelCache\n"
        "from nimbus_sdk.sandbox.github.wheel_edit import WheelSpec\n"
        "print(WheelCache(Path(sys.argv[1]), Path(sys.argv[2])).wheel(WheelSpec()))"
    )
    command = [sys.executable, "-c", code, str(core_source), str(tmp_path / "wheels")]
    builders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {builder.communicate(timeout=30)[0].strip() for builder in builders}
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert printed == {str(path) for path in tmp_path.glob("wheels/*/*.whl")}
    assert len(printed) == 1
