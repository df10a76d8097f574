"""From a checked wheel to an installation that is proven to load, without touching the one in use."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress

from nimbus_sdk import disk
from nimbus_sdk.core import refused
from nimbus_sdk.core.environment import interpreter
from nimbus_sdk.core.installed import FORMAT, LIBRARY, MANIFEST, Files, InstalledCore
from nimbus_sdk.core.protocol import PROTOCOL_VERSION, REQUIRED
from nimbus_sdk.core.verify import WheelFacts
from nimbus_sdk.errors import CoreInstallError, CoreIntegrityError

STAGING = ".staging"
PROBE_SECONDS = 60.0
_LOADED = "the core offers the protocol"
_PROBE = f"""
import sys
from importlib.machinery import PathFinder

library, protocol, owned, wanted = sys.argv[1:]

class CoreFinder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [library]) if name in owned.split(",") else None

sys.meta_path.insert(0, CoreFinder)
import nimbus_sdk_core as core

missing = [name for name in wanted.split(",") if not hasattr(core, name)]
if missing:
    sys.exit("it does not offer " + ", ".join(missing))
if getattr(core, "PROTOCOL_VERSION", 1) != int(protocol):
    sys.exit("it follows version " + str(core.PROTOCOL_VERSION) + " of the protocol, not " + protocol)
print("{_LOADED}")
"""


def stage(wheel: str, core_folder: str, facts: WheelFacts, sha256: str) -> InstalledCore:
    """Unpack a wheel into a fresh folder of its own, which nothing points to yet.

    Args:
        wheel: The checked wheel.
        core_folder: The folder of all versions.
        facts: What :func:`nimbus_sdk.core.verify.check_wheel` found.
        sha256: SHA-256 of the wheel.

    Raises:
        CoreInstallError: The disk refused; nothing is left behind.
        CoreIntegrityError: The wheel is not what was checked.
    """
    install_id = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.urandom(4).hex()}"
    folder = os.path.join(core_folder, facts.version, install_id)
    staging = f"{folder}{STAGING}"
    with refused.told(core_folder):
        try:
            disk.make_private_folder(os.path.join(staging, LIBRARY))
            files = _unpacked(wheel, os.path.join(staging, LIBRARY), facts.name)
            core = _described(folder, facts, sha256, files)
            disk.write_synced(os.path.join(staging, MANIFEST), _manifest(core))
            for parent, _, _ in os.walk(staging):
                disk.sync_folder(parent)
            disk.rename(staging, folder)
        except BaseException:
            # Where the disk refuses this as well, a later clean-up does it.
            with suppress(OSError):
                disk.remove_tree(staging)
            raise
        disk.sync_folder(os.path.dirname(folder))
    return core


def probe(core: InstalledCore) -> None:
    """Load a core in a fresh process, and see that it offers what the protocol requires.

    The process gets no ``NIMBUS_`` variable, and no module beside a script can stand in for the core's.

    Raises:
        CoreInstallError: It does not load; the message ends with the process's last words.
    """
    import subprocess

    if not sys.executable or getattr(sys, "frozen", False):
        raise CoreInstallError(
            "This program embeds Python, so the core cannot be tried out in a process of its own.",
            hint="Run `nimbus-sdk install` in a terminal with the same version of Python.",
        )
    names = (",".join(core.top_level), ",".join(REQUIRED))
    command = [sys.executable, "-P", "-c", _PROBE, core.library, str(PROTOCOL_VERSION), *names]
    hidden = ("NIMBUS_", "PYTHONINSPECT", "PYTHONSTARTUP")
    try:
        child = subprocess.run(
            command,
            cwd=os.path.dirname(core.folder),
            env={name: value for name, value in os.environ.items() if not name.startswith(hidden)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise _unloadable(core, f"it took more than {PROBE_SECONDS:.0f} s") from None
    except OSError as error:
        raise _unloadable(core, f"{sys.executable} cannot be started ({error.strerror})") from error
    if child.returncode or _LOADED not in child.stdout.decode("utf-8", "replace"):
        said = child.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _unloadable(core, said[-1][:300] if said else f"it ended with status {child.returncode}")


def discard(core: InstalledCore) -> None:
    """Remove an installation that is not in use.

    Raises:
        CoreInstallError: The disk refused.
    """
    with refused.told(core.folder):
        disk.remove_tree(core.folder)
        # Other installations of this version may be there.
        with suppress(OSError):
            os.rmdir(os.path.dirname(core.folder))


def _unpacked(wheel: str, library: str, name: str) -> Files:
    import zlib
    from zipfile import BadZipFile, ZipFile

    from installer import install
    from installer.exceptions import InstallerError
    from installer.sources import WheelFile

    from nimbus_sdk.core.destination import LibraryFolder

    destination = LibraryFolder(library)
    try:
        with ZipFile(wheel) as archived:
            # The name by which installer knows the wheel.
            archived.filename = name
            install(WheelFile(archived), destination, {})
    except (BadZipFile, InstallerError, zlib.error, EOFError, KeyError) as error:
        raise CoreIntegrityError(
            f"The wheel {name} is not what was checked a moment ago.", issues=(str(error),)
        ) from error
    return destination.files


def _described(folder: str, facts: WheelFacts, sha256: str, files: Files) -> InstalledCore:
    return InstalledCore(
        folder=folder,
        version=facts.version,
        install_id=os.path.basename(folder),
        tag=facts.tag,
        sha256=sha256,
        top_level=facts.top_level,
        requires=facts.requires,
        requires_python=facts.requires_python,
        installed_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        interpreter=interpreter(facts.tag),
        files=files,
    )


def _manifest(core: InstalledCore) -> bytes:
    fields = {
        "format": FORMAT,
        "version": core.version,
        "install_id": core.install_id,
        "tag": core.tag,
        "sha256": core.sha256,
        "top_level": core.top_level,
        "requires": core.requires,
        "requires_python": core.requires_python,
        "installed_at": core.installed_at,
        "interpreter": core.interpreter,
        "files": core.files,
    }
    return json.dumps(fields, indent=1).encode("ascii")


def _unloadable(core: InstalledCore, reason: str) -> CoreInstallError:
    return CoreInstallError(
        f"Core {core.version} in {core.folder} does not load: {reason}.",
        hint="The version before it stays in use. Check what the core requires, then install it again.",
    )
