"""A disk that is full: the install says so, nothing is half there, and with more room it goes on."""

from __future__ import annotations

from tests.homes.conftest import Examine
from tests.support.other_users import has_mounts

SMALL = [4, 24, 64, 128, 224]
"""KiB of a disk, from nothing at all to nearly enough."""
SHORT = [0, 500, 50_000]
"""Bytes that a file may have."""

STATE = """
def state():
    nimbus_sdk.account.session_cache.clear_cache()
    try:
        session = nimbus_sdk.current_session().key_fingerprint
    except nimbus_sdk.SessionNotFoundError:
        session = None
    status = nimbus_sdk.check_installation()
    assert bool(status) == status.installed, status.problems
    return session is None, status.installed, nimbus_sdk.get_stored_api_key() is None
import nimbus_sdk.account.session_cache
"""
ON_SMALL_DISKS = (
    STATE
    + """
import subprocess
home = os.environ["NIMBUS_SDK_HOME"]
for size in SIZES:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", home], check=True)
    ask(f"{size} first", install)
    ask(f"{size} left", state)
    subprocess.run(["mount", "-o", "remount,size=8m", home], check=True)
    ask(f"{size} again", install)
    ask(f"{size} then", state)
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
    ask(f"{size} first", install)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    ask(f"{size} left", state)
    ask(f"{size} again", install)
    ask(f"{size} then", state)
"""
)
NOTHING, EVERYTHING = [True, False, True], [False, True, False]


def held(told: dict[str, dict[str, object]], size: int, words: str) -> None:
    """The rule for every size."""
    first = told[f"{size} first"]
    assert first["fault"] in ("CoreInstallError", "SessionError", "CredentialStoreError"), (size, first)
    assert words in str(first["message"]), (size, first)
    assert told[f"{size} left"].get("value") == NOTHING, (size, told[f"{size} left"])
    assert told[f"{size} again"]["fault"] is None, (size, told[f"{size} again"])
    assert told[f"{size} then"].get("value") == EVERYTHING, size


def test_a_disk_that_fills_up_leaves_nothing_by_halves(examine: Examine) -> None:
    """Wherever room ends it is told in words, nothing is installed, and with more room all is."""
    if has_mounts():
        told = examine(ON_SMALL_DISKS.replace("SIZES", str(SMALL)), mounts=True)
        for size in SMALL:
            held(told, size, "No space left on device")
    told = examine(WITH_SMALL_FILES.replace("SIZES", str(SHORT)))
    for size in SHORT:
        held(told, size, "File too large")
