"""Unpack a checked wheel into a folder of its own, and prove that the core in it loads."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from zipfile import ZipFile

from nimbus_sdk.core.wheel.bytecode import CACHE
from nimbus_sdk.core.wheel.manifest import LIBRARY, MANIFEST, Files, InstalledCore
from nimbus_sdk.core.wheel.protocol import PROTOCOL_VERSION, REQUIRED
from nimbus_sdk.core.wheel.requirements import interpreter
from nimbus_sdk.core.wheel.verify import RecordedFile, WheelFacts, copy_file, integrity_error, open_wheel
from nimbus_sdk.errors import CoreInstallError, CoreIntegrityError
from nimbus_sdk.errors.python_environment import absolute_search_path, find_interpreter
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.pointer import FORMAT, trust_root

STAGING = ".staging"
EXECUTABLE_FILE = 0o700
PROBE_SECONDS = 60.0
_LOADED = "the core offers the protocol"
_PROBE = f"""
import json, sys
from importlib.machinery import PathFinder

library, protocol, owned, wanted, search_path = sys.argv[1:]
own = sys.path
sys.path = json.loads(search_path)
sys.path += [entry for entry in own if entry not in sys.path]

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
    """Unpack a checked wheel into a new folder that nothing points to, and compare each file with RECORD.

    After an error nothing is left behind.
    """
    install_id = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.urandom(4).hex()}"
    folder = os.path.join(core_folder, facts.version, install_id)
    staging = f"{folder}{STAGING}"
    with fs.disk_errors(core_folder):
        try:
            library = os.path.join(staging, LIBRARY)
            fs.make_private_folder(library, trust_root(core_folder))
            core = InstalledCore(
                folder=folder,
                version=facts.version,
                install_id=install_id,
                tag=facts.tag,
                sha256=sha256,
                top_level=facts.top_level,
                requires=facts.requires,
                requires_python=facts.requires_python,
                installed_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                interpreter=interpreter(facts.tag),
                files=_unpack(wheel, library, facts),
            )
            fields = {"format": FORMAT, **asdict(core)}
            del fields["folder"]
            content = json.dumps(fields, indent=1).encode("ascii")
            fs.write_synced(os.path.join(staging, MANIFEST), [content])
            for parent, _, _ in os.walk(staging):
                fs.sync_folder(parent)
            fs.rename(staging, folder)
        except BaseException:
            # If the disk refuses this as well, a later clean-up removes it.
            with suppress(OSError):
                fs.remove_tree(staging)
            raise
        fs.sync_folder(os.path.dirname(folder))
    return core


def find_probe_interpreter() -> str:
    """Return the interpreter in which a core can be tested."""
    python = find_interpreter()
    if python is None:
        raise CoreInstallError(
            f"This program ({sys.executable or 'of unknown path'}) embeds Python, and no interpreter was "
            "found beside it in which a new core could be tested.",
            hint="Run `nimbus-sdk install` once with an ordinary Python of the same version; this program "
            "then uses the installed core.",
        )
    return python


def probe(core: InstalledCore) -> None:
    """Load a core in a new process, and check that it offers what the protocol requires.

    The process finds what this process can import, and gets no ``NIMBUS_`` variable. No other module of the
    core's name is imported instead.
    """
    import subprocess

    python = find_probe_interpreter()
    names = (",".join(core.top_level), ",".join(REQUIRED))
    search_path = json.dumps(absolute_search_path())
    command = [python, "-P", "-c", _PROBE, core.library, str(PROTOCOL_VERSION), *names, search_path]
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
        raise _unloadable(core, f"{python} cannot be started ({error.strerror})") from error
    if child.returncode or _LOADED not in child.stdout.decode("utf-8", "replace"):
        output = child.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _unloadable(core, output[-1][:300] if output else f"it ended with status {child.returncode}")


def discard(core: InstalledCore) -> None:
    """Remove an installation that is not in use."""
    with fs.disk_errors(core.folder):
        fs.remove_tree(core.folder)
        # Other installations of this version may be there.
        with suppress(OSError):
            os.rmdir(os.path.dirname(core.folder))


def inside(root: str, name: str) -> str:
    """Join a name from a wheel to a folder, unless the path would be outside of it; nothing else does."""
    folder = os.path.abspath(root)
    path = os.path.abspath(os.path.join(folder, *name.split("/")))
    # Source: documentation of zipfile.Path, "When handling untrusted archives".
    if "\0" in name or not path.startswith(os.path.join(folder, "")):
        raise CoreIntegrityError(f"A file of the wheel would be outside of its folder: {name[:120]!a}.")
    return path


def _unpack(wheel: str, library: str, facts: WheelFacts) -> Files:
    """Write what RECORD lists below a folder: code and data of both library schemes, but no scripts."""
    files, faults = {}, []
    with open_wheel(wheel, facts.name) as (archive, _):
        for path, listed in facts.files.items():
            sha256, fault = write_file(archive, listed, inside(library, path))
            files[path] = (sha256, listed.size)
            if fault is not None:
                faults.append(fault)
    if faults:
        raise integrity_error(facts.name, faults)
    # Python would make these folders under the umask of whoever imports a module first.
    for folder in {os.path.dirname(path) for path in files if path.endswith(".py")}:
        fs.make_private_folder(inside(library, f"{folder}/{CACHE}"))
    return files


def write_file(archive: ZipFile, listed: RecordedFile, target: str) -> tuple[str, str | None]:
    """Unpack one file, never over another; return its SHA-256, and what is wrong with it or None."""
    mode = 0
    with suppress(KeyError):
        mode = archive.getinfo(listed.name).external_attr >> 16
    is_executable = stat.S_ISREG(mode) and mode & 0o111
    fs.make_private_folder(os.path.dirname(target))
    descriptor = fs.create(target, EXECUTABLE_FILE if is_executable else fs.PRIVATE_FILE)
    try:
        result = copy_file(archive, listed, lambda chunk: fs.write_all(descriptor, chunk))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return result


def _unloadable(core: InstalledCore, reason: str) -> CoreInstallError:
    return CoreInstallError(
        f"Core {core.version} in {core.folder} does not load: {reason}.",
        hint="The previous version stays in use. Check what the core requires, then install it again.",
    )
