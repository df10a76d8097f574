"""Without the extra, the error names the command that installs it."""

from __future__ import annotations

import subprocess
import sys

from nimbus_sdk.sandbox.availability import unavailable_error

WITHOUT_EXTRA = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("starlette", "uvicorn", "h11"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
import nimbus_sdk.sandbox
from nimbus_sdk.sandbox import Sandbox, create_key
create_key(__import__("pathlib").Path(sys.argv[1]))
try:
    Sandbox().start()
except ImportError as error:
    print(type(error).__name__, error)
"""


def test_without_the_extra_the_error_names_the_command(tmp_path):
    """Importing works, keys can be created, and starting raises an error that says what to install."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA, str(tmp_path / "keys.db")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("SandboxUnavailableError The sandbox needs starlette")
    assert '"starlette" "uvicorn" "hatchling" "numpy"' in done.stdout


def test_the_error_names_the_package():
    """Whatever package is missing."""
    error = unavailable_error(ModuleNotFoundError("no", name="uvicorn"))
    assert error.message == "The sandbox needs uvicorn, which is not installed."
