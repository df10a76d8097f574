"""From a checked wheel to an installation that is proven to load, without touching the one in use."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from hashlib import sha256 as new_hash
from typing import TYPE_CHECKING, BinaryIO

from installer.destinations import WheelDestination
from installer.records import RecordEntry

from nimbus_sdk.core.wheel.manifest import LIBRARY, MANIFEST, Files, InstalledCore
from nimbus_sdk.core.wheel.protocol import PROTOCOL_VERSION, REQUIRED
from nimbus_sdk.core.wheel.requirements import interpreter
from nimbus_sdk.core.wheel.verify import WheelFacts
from nimbus_sdk.errors import CoreInstallError, CoreIntegrityError
from nimbus_sdk.storage import fs, os_errors
from nimbus_sdk.storage.pointer import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from installer.scripts import ScriptSection
    from installer.utils import Scheme

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
        facts: What :func:`nimbus_sdk.core.wheel.verify.check_wheel` found.
        sha256: SHA-256 of the wheel.

    Raises:
        CoreInstallError: The disk refused; nothing is left behind.
        CoreIntegrityError: The wheel is not what was checked.
    """
    install_id = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.urandom(4).hex()}"
    folder = os.path.join(core_folder, facts.version, install_id)
    staging = f"{folder}{STAGING}"
    with os_errors.told(core_folder):
        try:
            fs.make_private_folder(os.path.join(staging, LIBRARY))
            files = _unpacked(wheel, os.path.join(staging, LIBRARY), facts.name)
            core = _described(folder, facts, sha256, files)
            fs.write_synced(os.path.join(staging, MANIFEST), _manifest(core))
            for parent, _, _ in os.walk(staging):
                fs.sync_folder(parent)
            fs.rename(staging, folder)
        except BaseException:
            # Where the disk refuses this as well, a later clean-up does it.
            with suppress(OSError):
                fs.remove_tree(staging)
            raise
        fs.sync_folder(os.path.dirname(folder))
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
    with os_errors.told(core.folder):
        fs.remove_tree(core.folder)
        # Other installations of this version may be there.
        with suppress(OSError):
            os.rmdir(os.path.dirname(core.folder))


def _unpacked(wheel: str, library: str, name: str) -> Files:
    import zlib
    from zipfile import BadZipFile, ZipFile

    from installer import install
    from installer.exceptions import InstallerError
    from installer.sources import WheelFile

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


COPY_BYTES = 2**18
COMPILED = "__pycache__"
EXECUTABLE_FILE = 0o700


def inside(root: str, name: str) -> str:
    """Join a name from a wheel to a folder: the one place where that is done.

    Args:
        root: The folder that must hold it.
        name: The name, with ``/``.

    Raises:
        CoreIntegrityError: It would lie outside.

    Example:
        >>> inside("/srv/core/lib", "nimbus_sdk_core/../../../home")
        Traceback (most recent call last):
        ...
        nimbus_sdk.errors.CoreIntegrityError: A file of the wheel would lie outside of its folder...
    """
    folder = os.path.abspath(root)
    path = os.path.abspath(os.path.join(folder, *name.split("/")))
    # Source: documentation of zipfile.Path, "When handling untrusted archives".
    if "\0" in name or not path.startswith(os.path.join(folder, "")):
        raise CoreIntegrityError(f"A file of the wheel would lie outside of its folder: {name[:120]!a}.")
    return path


class LibraryFolder(WheelDestination):
    """Takes code and data of a wheel into one folder; scripts are for environments and are left out.

    Args:
        root: The folder; what it holds is never written over.

    Attributes:
        files: SHA-256 and size of every file written, by its path below the folder.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.files: dict[str, tuple[str, int]] = {}

    def write_file(
        self, scheme: Scheme, path: str | os.PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        """Write one file of any scheme: purelib and platlib are the same folder here."""
        name = os.fspath(path)
        target = inside(self.root, name)
        fs.make_private_folder(os.path.dirname(target))
        found, size = new_hash(), 0
        descriptor = fs.create(target, EXECUTABLE_FILE if is_executable else fs.PRIVATE_FILE)
        try:
            while chunk := stream.read(COPY_BYTES):
                fs.write_all(descriptor, chunk)
                found.update(chunk)
                size += len(chunk)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.files[name] = (found.hexdigest(), size)
        return RecordEntry(name, None, size)

    def write_script(self, name: str, module: str, attr: str, section: ScriptSection) -> RecordEntry:
        """Write nothing."""
        return RecordEntry(name, None, None)

    def finalize_installation(
        self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]
    ) -> None:
        """Make the folders into which Python compiles modules, since it makes them under anybody's umask.

        The manifest takes the place of RECORD.
        """
        for folder in {os.path.dirname(name) for name in self.files if name.endswith(".py")}:
            fs.make_private_folder(inside(self.root, f"{folder}/{COMPILED}"))
