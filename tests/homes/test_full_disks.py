"""A full disk: the install says so, leaves nothing half done, and succeeds with more space."""

from __future__ import annotations

from tests.homes.conftest import RunCode
from tests.support.other_users import has_mounts

SMALL = {"tiny core": [4, 20, 28, 40], "reference core": [4, 24, 64, 128, 224]}
"""Sizes of a disk in KiB, from almost nothing to nearly enough."""
SHORT = {"tiny core": [0, 300, 1_000], "reference core": [0, 500, 50_000]}
"""Largest sizes of a file, in bytes."""

STATE = """
def state():
    nimbus_sdk.account.session_lookup.clear_cache()
    try:
        session = nimbus_sdk.current_session().key_fingerprint
    except nimbus_sdk.SessionNotFoundError:
        session = None
    status = nimbus_sdk.check_installation()
    assert bool(status) == status.installed, status.problems
    return session is None, status.installed, nimbus_sdk.get_stored_api_key() is None
import nimbus_sdk.account.session_lookup
"""
ON_SMALL_DISKS = (
    STATE
    + """
import subprocess
home = os.environ["NIMBUS_SDK_HOME"]
for size in SIZES:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", home], check=True)
    record(f"{size} first", install)
    record(f"{size} left", state)
    subprocess.run(["mount", "-o", "remount,size=8m", home], check=True)
    record(f"{size} again", install)
    record(f"{size} then", state)
    subprocess.run(["umount", "-l", home], check=True)
"""
)
WITH_SMALL_FILES = (
    STATE
    + """
import resource
home = os.environ["NIMBUS_SDK_HOME"]
for size in SIZES:
    os.environ["NIMBUS_SDK_HOME"] = os.path.join(home, str(size))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    record(f"{size} first", install)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    record(f"{size} left", state)
    record(f"{size} again", install)
    record(f"{size} then", state)
"""
)
NOTHING, EVERYTHING = [True, False, True], [False, True, False]


def check_size(results: dict[str, dict[str, object]], size: int, message: str) -> None:
    """Check what must be true for every size."""
    first = results[f"{size} first"]
    assert first["error"] in ("CoreInstallError", "SessionError", "CredentialStoreError"), (size, first)
    assert message in str(first["message"]), (size, first)
    assert results[f"{size} left"].get("value") == NOTHING, (size, results[f"{size} left"])
    assert results[f"{size} again"]["error"] is None, (size, results[f"{size} again"])
    assert results[f"{size} then"].get("value") == EVERYTHING, size


def test_a_full_disk_leaves_nothing_half_done(either_core: str, run_code: RunCode) -> None:
    """Wherever the space ends, an error says so, nothing is installed, and with more space all is."""
    small, short = SMALL[either_core], SHORT[either_core]
    if has_mounts():
        results = run_code(ON_SMALL_DISKS.replace("SIZES", str(small)), mounts=True)
        for size in small:
            check_size(results, size, "No space left on device")
    results = run_code(WITH_SMALL_FILES.replace("SIZES", str(short)))
    for size in short:
        check_size(results, size, "File too large")
