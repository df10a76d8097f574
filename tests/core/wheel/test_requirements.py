"""What a core needs is named before it is fetched, with the command that brings it."""

from __future__ import annotations

import sys
import sysconfig

import numpy
import pytest
from packaging.markers import Marker
from packaging.tags import sys_tags

from nimbus_sdk.core.wheel import requirements
from nimbus_sdk.core.wheel.requirements import (
    interpreter,
    missing_requirements,
    require_environment,
    require_interpreter,
)
from nimbus_sdk.errors import CoreIncompatibleError

RUNNING = "{}.{}.{}".format(*sys.version_info[:3])


def distribution(folder, name: str, version: str | None, requires: tuple[str, ...] = ()) -> None:
    """Put the metadata of a distribution on the path."""
    info = folder / f"{name.replace('-', '_')}-{version or '0'}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", *([f"Version: {version}"] if version else [])]
    info.joinpath("METADATA").write_text(
        "\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires), ""])
    )


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the search path, for distributions that are made up."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_what_is_there_is_not_missing(site):
    """A requirement that is fulfilled, in any spelling of its name, is not named."""
    distribution(site, "Some_Thing", "2.5")
    lines = [
        "some-thing",
        "some.thing>=2.5",
        "SOME_THING ~= 2.0",
        "some-thing!=2.6",
        f"numpy=={numpy.__version__}",
    ]
    assert tuple(missing_requirements(lines)) == ()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("absent", "absent"),
        ("absent >= 1, < 2", "absent<2,>=1"),
        ("some-thing>=3", "some-thing>=3"),
        ("absent @ https://example.net/a.whl", "absent @ https://example.net/a.whl"),
        ("absent[b,a]>=1; python_version >= '3'", "absent[a,b]>=1"),
    ],
)
def test_what_is_missing_is_named_for_pip(site, line, named):
    """Absent and outdated requirements are given as pip takes them, without their markers."""
    distribution(site, "some-thing", "2.5")
    assert tuple(missing_requirements([line, line])) == (named,)


@pytest.mark.parametrize("marker", ["python_version < '3'", "extra == 'full'", "sys_platform == 'plan9'"])
def test_what_is_for_other_environments_is_not_missing(marker):
    """A marker that does not hold here takes its requirement out, extras that nobody asked for too."""
    assert tuple(missing_requirements([f"absent; {marker}"])) == ()


def test_pre_releases_that_are_installed_count(site):
    """Someone who installed a release candidate has it."""
    distribution(site, "some-thing", "3.0rc1")
    assert tuple(missing_requirements(["some-thing>=2"])) == ()


@pytest.mark.parametrize("version", [None, "not a version"])
def test_broken_metadata_counts_as_missing(site, version):
    """A leftover of a broken uninstall is not an installation."""
    distribution(site, "some-thing", version)
    assert tuple(missing_requirements(["some-thing>=1"])) == ("some-thing>=1",)


@pytest.fixture
def no_metadata(monkeypatch):
    """No distribution has metadata, as in a frozen program, in Bazel, or for a vendored package."""
    import importlib.metadata

    def gone(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", gone)
    monkeypatch.setattr(importlib.metadata, "requires", gone)


def test_a_module_without_metadata_counts_with_the_version_that_it_names(site, no_metadata, monkeypatch):
    """What can be imported is there, under its own name, and whichever version if it names none."""
    for module in ("some_thing", "sklearn", "other", "broken"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    (site / "some_thing.py").write_text("__version__ = '2.5'")
    (site / "sklearn.py").write_text("__version__ = '1.5'")
    (site / "other.py").write_text("")
    (site / "broken.py").write_text("import absent_module")
    (site / "folder").mkdir()
    lines = ["numpy>=1", "some-thing[fast]>=2", "other>=9", "scikit-learn"]
    assert tuple(missing_requirements(lines)) == ()
    lines = ["some-thing>=3", "broken", "folder", "absent"]
    assert tuple(missing_requirements(lines)) == ("some-thing>=3", "broken", "folder", "absent")


@pytest.mark.parametrize(
    "line", ["pytz (>dev); extra == 'fast'", "pytz; extra == 'fast' and os_name ~= '1.0'", "no requirement"]
)
def test_another_packages_odd_metadata_is_not_the_cores(site, line):
    """Old releases have lines that are no requirement: nothing that the core could be blamed for."""
    distribution(site, "some-thing", "1", (line, "absent>=2; extra == 'fast'"))
    assert tuple(missing_requirements(["some-thing[fast]"])) == ("absent>=2",)


def test_extras_are_looked_into(site):
    """A requirement with an extra is fulfilled when what the extra asks for is there too; circles end."""
    distribution(
        site,
        "some-thing",
        "1",
        (
            "base",
            "absent>=2; extra == 'fast'",
            "some-thing[fast]; extra == 'all'",
            "other[loop]; extra == 'all'",
        ),
    )
    distribution(site, "other", "1", ("some-thing[all]; extra == 'loop'",))
    assert tuple(missing_requirements(["some-thing"])) == ()
    assert tuple(missing_requirements(["some-thing[fast]"])) == ("absent>=2",)
    assert tuple(missing_requirements(["some-thing[all]"])) == ("absent>=2",)


@pytest.mark.parametrize("line", ["numpy >>> 1", "", "numpy; os_name ~= 'x'"])
def test_a_line_that_is_no_requirement_is_reported(line):
    """What cannot be read or evaluated is reported, and no foreign error escapes."""
    with pytest.raises(CoreIncompatibleError, match="invalid requirement"):
        missing_requirements([line])


@pytest.mark.parametrize("error", [ValueError, KeyError])
def test_a_marker_that_cannot_be_evaluated_is_reported(monkeypatch, error):
    """Versions of packaging raise different errors for it; none of them escapes."""

    def evaluate(*_: object) -> bool:
        raise error("os_name")

    monkeypatch.setattr(Marker, "evaluate", evaluate)
    with pytest.raises(CoreIncompatibleError, match="invalid requirement"):
        missing_requirements(["numpy; os_name >= '1'"])


def test_the_error_names_all_and_the_command(site):
    """Every missing requirement is in the message with what was found, and the hint is one command."""
    distribution(site, "some-thing", "1.0")
    with pytest.raises(CoreIncompatibleError) as caught:
        require_environment(["some-thing>=2", "absent", "numpy"], ">=3.8")
    assert "some-thing>=2 (found 1.0), absent (not installed)" in str(caught.value)
    assert f'{sys.executable} "some-thing>=2" "absent"' in str(caught.value).replace(" -m pip install", "")
    require_environment(["numpy"], None)


def test_another_python_is_named():
    """A version of Python that does not do is reported beside the one that runs."""
    with pytest.raises(CoreIncompatibleError, match=f"needs Python <3; this is {RUNNING}"):
        require_environment([], "<3")
    with pytest.raises(CoreIncompatibleError, match="invalid Requires-Python"):
        require_environment([], "python three")


def test_a_pure_wheel_is_tied_to_no_platform():
    """For a wheel for any platform only the kind of Python is recorded; for others the platform too."""
    assert interpreter("py3-none-any") == f"{sys.implementation.cache_tag}{sys.abiflags}"
    assert interpreter("cp311-cp311-linux_x86_64").endswith(f"-{sysconfig.get_platform()}")


def test_the_interpreter_that_installed_it_needs_no_further_check(monkeypatch):
    """The same interpreter again is settled by comparing one text."""
    tag = "cp311-cp311-some_platform"
    monkeypatch.setattr(requirements, "require_environment", None)
    require_interpreter(tag, interpreter(tag), "<3")


def test_another_interpreter_is_checked_in_full():
    """A core for other interpreters is refused; one that fits all the same is not, if its Python does."""
    native = str(next(iter(sys_tags())))
    require_interpreter(native, "cpython-39-elsewhere", ">=3.8")
    require_interpreter("py2.py3-none-any", "cpython-39", None)
    with pytest.raises(CoreIncompatibleError, match="is for cp27-cp27m-win32, which this interpreter"):
        require_interpreter("cp27-cp27m-win32", "cpython-27-win32", None)
    with pytest.raises(CoreIncompatibleError, match="is for nonsense"):
        require_interpreter("nonsense", "cpython-27", None)
    with pytest.raises(CoreIncompatibleError, match="needs Python <3"):
        require_interpreter("py3-none-any", "cpython-27", "<3")
