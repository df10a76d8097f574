"""Small valid and invalid wheels, and a driver that runs flows without a network."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from nimbus_sdk.core.wheel import unpack, verify, versions
from nimbus_sdk.core.wheel.manifest import InstalledCore
from nimbus_sdk.errors import CoreIntegrityError
from nimbus_sdk.transport.flow import Blocking, Flow, Request, Response

PURE = "py3-none-any"
SOURCE = '''\
"""A core that does nothing, but offers every name that is required."""

__version__ = "{version}"


class BCIData:
    pass


class BCIMetadata:
    pass


class NimbusLDA:
    pass


def load_model(kind, name_or_path, *, search=()):
    return kind.__name__, name_or_path


class BatchResult:
    def __init__(self, predictions):
        self.predictions = predictions


def simulate(paradigm, *, n_trials, seed):
    return [1] * n_trials


def predict_batch(model, data, *, iterations=10):
    return BatchResult(list(data))
'''


PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "nimbus_sdk_core"
dynamic = ["version"]
requires-python = ">=3.11"

[tool.hatch.version]
path = "nimbus_sdk_core/__init__.py"
"""


def core_files(version: str = "1.0.0", source: str = SOURCE) -> dict[str, bytes]:
    """Return the modules of a core, by name in its wheel."""
    return {
        "nimbus_sdk_core/__init__.py": source.replace("{version}", version).encode(),
        "nimbus_sdk_core/data/model.bin": b"\x00\x01weights" * 50,
    }


def write_core_project(folder: Path) -> Path:
    """Write the sources of a tiny core, from which the sandbox builds its wheels; return the folder."""
    project = {"pyproject.toml": PROJECT.encode(), **core_files("0.1.0")}
    for name, content in project.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def wheel_files(
    version: str = "1.0.0",
    files: dict[str, bytes] | None = None,
    *,
    tag: str = PURE,
    requires: tuple[str, ...] = (),
    requires_python: str | None = ">=3.11",
    name: str = "nimbus_sdk_core",
    declared_version: str | None = None,
) -> dict[str, bytes]:
    """Return all entries of a wheel but its RECORD."""
    info = f"nimbus_sdk_core-{version}.dist-info"
    metadata = ["Metadata-Version: 2.3", f"Name: {name}", f"Version: {declared_version or version}"]
    metadata += [f"Requires-Dist: {line}" for line in requires]
    metadata += [] if requires_python is None else [f"Requires-Python: {requires_python}"]
    wheel = ["Wheel-Version: 1.0", "Generator: test", "Root-Is-Purelib: true", f"Tag: {tag}"]
    return {
        f"{info}/METADATA": "\n".join([*metadata, "", "A core."]).encode(),
        f"{info}/WHEEL": "\n".join([*wheel, ""]).encode(),
        **(core_files(version) if files is None else files),
    }


def record(files: dict[str, bytes], info: str) -> bytes:
    """Return the RECORD of these files."""
    lines = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f'"{name}",sha256={digest},{len(content)}')
    return "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()


def entry(name: str, *, mode: int = 0o100644, method: int = ZIP_DEFLATED) -> ZipInfo:
    """Return the header of an entry, as wheel builders write it."""
    info = ZipInfo(name, (2020, 2, 2, 0, 0, 0))
    info.external_attr = mode << 16
    info.compress_type = method
    return info


def make_wheel(
    folder: Path,
    version: str = "1.0.0",
    files: dict[str, bytes] | None = None,
    *,
    tag: str = PURE,
    change: Callable[[ZipFile], None] | None = None,
    recorded: Callable[[bytes], bytes] = bytes,
    method: int = ZIP_DEFLATED,
    **metadata,
) -> Path:
    """Write a wheel.

    Args:
        folder: Where to.
        version: Of the core.
        files: Its modules; a working core if omitted.
        tag: Python, ABI and platform.
        change: Adds to the archive before it is closed.
        recorded: Changes RECORD before it is written.
        method: Compression method of the entries.
        **metadata: For ``wheel_files``.
    """
    entries = wheel_files(version, files, tag=tag, **metadata)
    info = f"nimbus_sdk_core-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"nimbus_sdk_core-{version}-{tag}.whl"
    with ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(entry(name, method=method), content)
        archive.writestr(entry(f"{info}/RECORD"), recorded(record(entries, info)))
        if change is not None:
            change(archive)
    return path


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_and_stage(path: Path, core_folder: Path, name: str | None = None) -> InstalledCore:
    """Check and unpack a wheel; nothing points to it."""
    facts = verify.check_wheel(str(path), name or path.name)
    return unpack.stage(str(path), str(core_folder), facts, sha256(path))


def issues_of(path: Path, name: str | None = None) -> tuple[str, ...]:
    """Check and unpack a wheel that must be refused; nothing of it may be left in the core's folder.

    Returns:
        The issues of the error.
    """
    with TemporaryDirectory() as folder:
        with pytest.raises(CoreIntegrityError) as caught:
            check_and_stage(path, Path(folder), name)
        assert not [path for path in Path(folder).rglob("*") if path.is_file() or path.suffix == ".staging"]
    return caught.value.issues


def staged(core_folder: Path, version: str = "1.0.0", **wheel) -> InstalledCore:
    """Build, check and unpack a core; nothing points to it."""
    return check_and_stage(make_wheel(core_folder.parent / "wheels", version, **wheel), core_folder)


def installed(core_folder: Path, version: str = "1.0.0", **wheel) -> InstalledCore:
    """Build, check and unpack a core, and switch to it."""
    core = staged(core_folder, version, **wheel)
    versions.switch(str(core_folder), core)
    return core


def answer(status: int = 200, body: object = b"", **headers: str) -> Response:
    """An answer; a body that is no bytes is sent as JSON; underscores in header names are dashes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=content,
    )


Reply = Response | Exception | Callable[[Request], Response]


def play(flow: Flow, *replies: Reply):
    """Run a flow: jobs inline, calls answered by the replies in turn.

    Returns:
        What the flow gave, and the calls it made.
    """
    calls: list[Request] = []
    waiting = list(replies)
    try:
        step = next(flow)
        while True:
            try:
                if isinstance(step, Blocking):
                    got = step.run()
                else:
                    assert isinstance(step, Request)
                    calls.append(step)
                    assert waiting, f"nobody answers {step.name}"
                    reply = waiting.pop(0)
                    if isinstance(reply, Exception):
                        raise reply
                    got = reply(step) if callable(reply) else reply
            except Exception as error:
                step = flow.throw(error)
            else:
                step = flow.send(got)
    except StopIteration as end:
        assert not waiting, f"{len(waiting)} replies were not asked for"
        return end.value, calls
    finally:
        flow.close()


def sending(
    content: bytes, status: int = 200, *, chunk: int = 7, **headers: str
) -> Callable[[Request], Response]:
    """A reply that feeds the call's sink, as a transport does; the headers asked for are in ``asked``."""

    def reply(step: Request) -> Response:
        assert step.sink is not None
        reply.asked = dict(step.sink.request_headers())  # type: ignore[attr-defined]
        plain = {name.replace("_", "-"): value for name, value in headers.items()}
        step.sink.begin(status, plain)
        for start in range(0, len(content), chunk):
            step.sink.write(content[start : start + chunk])
        return answer(status, **headers)

    return reply


def fresh_python(code: str, *arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process; its arguments are in ``sys.argv[1:]``."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
