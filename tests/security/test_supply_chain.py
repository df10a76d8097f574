"""What is built is what is in the sources, whoever builds it, and what it brings along is written down."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / ".ci" / "requirements-dev.lock"
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
SOURCES = (
    "nimbus_sdk",
    "docs",
    "examples",
    "tests",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
)
KEY = re.compile(rb"nbci_(?:live|test)_([0-9a-f]{48})")


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements of a body, and of the bodies in it."""
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from statements(getattr(node, name, []))


def imported_packages(folder: Path) -> set[str]:
    """The top-level names of other packages that the modules in a folder import, anywhere in them."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        if "reference_core" in path.parts:
            continue
        for node in statements(ast.parse(path.read_bytes()).body):
            if isinstance(node, ast.Import):
                names.update(name.name.partition(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"nimbus_sdk", "nimbus_sdk_core"}


def test_what_is_required_is_imported_and_what_is_imported_is_required():
    """No dependency is installed for nothing, and none is there only because another package brings it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["sandbox"], *extras["bundle"]]
    required = {canonicalize_name(Requirement(line).name) for line in lines}
    distributions = packages_distributions()
    names = imported_packages(ROOT / "nimbus_sdk")
    imported = {canonicalize_name(distributions.get(name, [name])[0]) for name in names}
    # NumPy is for the core; httpcore and pydantic bring some; the others are used if they are there.
    assert required - imported == {"numpy"}
    brought = {"certifi", "pydantic-core"}
    there = {"distributed", "ipython", "ipywidgets", "pytest", "secretstorage"}
    assert imported - required - brought == there


def copied(folder: Path) -> Path:
    """A copy of the sources."""
    folder.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, copy_function=shutil.copyfile, ignore=_UNTRACKED)
        else:
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def built(target: str, sources: Path, folder: Path, umask: int, **environ: str) -> tuple[Path, str]:
    """A wheel or sdist of a fresh copy of the sources, and its SHA-256."""
    shutil.copytree(sources, folder / "sources", copy_function=shutil.copyfile)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder / "out")],
        cwd=folder / "sources",
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600", **environ},
        umask=umask,
        capture_output=True,
        timeout=60,
        check=True,
    )
    (path,) = (folder / "out").iterdir()
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


_UNTRACKED = shutil.ignore_patterns("__pycache__", ".*_cache", ".hypothesis")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, for all builds."""
    return copied(tmp_path_factory.mktemp("once") / "sources")


def built_here(target: str, sources: Path, factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same under the usual circumstances."""
    return built(target, sources, factory.mktemp("here"), 0o022, TZ="UTC", LC_ALL="C", PYTHONHASHSEED="0")


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The wheel, and its SHA-256."""
    return built_here("wheel", sources, tmp_path_factory)


@pytest.mark.parametrize("target", ["wheel", pytest.param("sdist", marks=pytest.mark.qualification)])
def test_two_builds_are_the_same_byte_for_byte(
    sources: Path, target: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
):
    """Folder, umask, time zone, language and the hash seed leave no trace in wheel or sdist."""
    there = tmp_path_factory.mktemp("a far-away place")
    circumstances = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "7"}
    second, digest = built(target, sources, there, 0o077, **circumstances)
    first: tuple[Path, str]
    if target == "wheel":
        first = request.getfixturevalue("wheel")
    else:
        first = built_here(target, sources, tmp_path_factory)
    assert (first[0].name, first[1]) == (second.name, digest)
    assert second.suffix == {"wheel": ".whl", "sdist": ".gz"}[target]


def test_the_wheel_holds_the_package_alone(wheel: tuple[Path, str]):
    """No test, no cache, no stray file, no key."""
    with ZipFile(wheel[0]) as archive:
        names = archive.namelist()
        folders = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
        assert folders == {"nimbus_sdk", "nimbus_sdk_core.py", "nimbus_sdk_core-stubs"}
        assert not [name for name in names if name.endswith((".pyc", ".env", ".part", ".lock", ".db"))]
        keys = {found[1] for name in names for found in KEY.finditer(archive.read(name))}
    assert {key for key in keys if len(set(key)) > 14} == set(), "what looks like a real key"


def test_the_bill_of_materials_names_all_that_is_installed(wheel: tuple[Path, str]):
    """Every requirement of the wheel, and theirs in turn, with version and hashes; twice the same bytes."""
    command = [sys.executable, str(ROOT / ".ci" / "sbom"), str(wheel[0])]
    printed = [subprocess.run(command, capture_output=True, timeout=60, check=True).stdout for _ in range(2)]
    assert printed[0] == printed[1]
    document = json.loads(printed[0])
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    (digest,) = document["metadata"]["component"]["hashes"]
    assert digest["content"] == wheel[1]
    listed = {component["name"]: component for component in document["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = map(Requirement, project["dependencies"])
    here = {canonicalize_name(one.name) for one in required if one.marker is None or one.marker.evaluate()}
    assert here <= listed.keys()
    assert {"httpcore", "h11", "certifi", "idna", "pydantic-core"} <= listed.keys()
    assert not {"pytest", "starlette", "numpy"} & listed.keys()
    refs = {edge["ref"] for edge in document["dependencies"]}
    assert {other for edge in document["dependencies"] for other in edge["dependsOn"]} <= refs
    for component in listed.values():
        assert component["hashes"]
        assert f"{component['name']}=={component['version']} " in LOCK.read_text()


def test_the_lock_holds_every_dependency_by_its_hash():
    """Whoever adds a dependency locks it: .ci/lock."""
    entries = re.split(r"\n(?=\S)", LOCK.read_text().strip())
    versions: dict[str, set[str]] = {}
    for entry in entries:
        line, *hashes = re.split(r"\s*\\\n\s*", entry.strip())
        assert hashes, line
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes), line
        requirement = Requirement(line)
        versions.setdefault(canonicalize_name(requirement.name), set()).add(
            str(requirement.specifier).removeprefix("==")
        )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name != project["name"]:
            assert versions.get(name), f"{name} is not locked"
            assert all(requirement.specifier.contains(one) for one in versions[name]), name


def test_the_lock_names_no_registry():
    """It holds wherever the files come from."""
    assert not re.search(r"https?:|--index|--find-links|@ ", LOCK.read_text())


@pytest.mark.skipif(os.name == "nt", reason="the scripts of CI are for POSIX shells")
@pytest.mark.parametrize("code", [0, 1])
def test_the_audit_takes_nothing_unseen(tmp_path: Path, code: int):
    """The audit reads the lock by its hashes, fails for what it cannot look up, and passes that on."""
    tool = tmp_path / "pip-audit"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@"\nexit {code}\n')
    tool.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([ROOT / ".ci" / "audit"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert {"--strict", "--require-hashes", str(LOCK)} <= set(done.stdout.splitlines())


def test_ci_runs_only_what_is_pinned():
    """Every foreign action of the workflow is named by its commit, and the token of the run may only read."""
    text = WORKFLOW.read_text()
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)
    assert "permissions:\n  contents: read\n" in text
    assert text.count("persist-credentials: false") == text.count("actions/checkout@")
    assert "secrets." not in text
