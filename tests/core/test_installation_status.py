"""Whether what is installed can be used."""

import os
from pathlib import Path

import pytest

import nimbus_sdk
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


def library(paths, name):
    """A file of the installed core."""
    return next(Path(paths.core).rglob(name))


def test_without_a_core_there_is_none(sdk):
    """False, with the reason; no folder is made by looking."""
    status = sdk.check_installation()
    assert not status
    assert (status.installed, status.version, status.path, status.session) == (False, None, None, None)
    assert status.problems == ("The core is not installed.",)


def test_a_whole_core_is_reported_with_its_session(sdk, key):
    """True, with version and place."""
    session = sdk.install_core(key)
    status = sdk.check_installation()
    assert status
    assert (status.version, status.session, status.problems) == ("0.1.0", session, ())
    assert os.path.isdir(status.path)


def test_a_core_that_comes_while_one_looks_comes_with_its_session(sdk, key, monkeypatch):
    """No look shows the core without the session that was installed with it."""
    from nimbus_sdk.core import installation_status as module

    real = module.manifest.find_core  # type: ignore[attr-defined]

    def look_as_the_install_ends(folder):
        monkeypatch.setattr(module.manifest, "find_core", real)  # type: ignore[attr-defined]
        nimbus_sdk.install_core(key)
        return real(folder)

    monkeypatch.setattr(module.manifest, "find_core", look_as_the_install_ends)  # type: ignore[attr-defined]
    status = module.check_installation()
    assert status
    assert status.session is not None


def test_a_session_that_may_not_be_used_is_left_out(sdk, key, age):
    """The core is whole all the same."""
    from datetime import UTC, datetime

    sdk.install_core(key)
    age(expires_at=datetime.now(UTC))
    status = sdk.check_installation()
    assert status
    assert status.session is None


def test_a_changed_file_is_found_though_its_size_is_the_same(sdk, key, paths):
    """Every file's hash is compared."""
    sdk.install_core(key)
    file = library(paths, "model.bin")
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    status = sdk.check_installation()
    assert not status
    assert status.installed
    assert any("model.bin" in problem for problem in status.problems)


def test_every_fault_is_reported_and_not_the_first(sdk, key, paths):
    """Missing, cut short and added files, all of them."""
    sdk.install_core(key)
    library(paths, "model.bin").unlink()
    library(paths, "__init__.py").write_bytes(b"")
    problems = "\n".join(sdk.check_installation().problems)
    assert "model.bin" in problems
    assert "__init__.py" in problems


@pytest.mark.parametrize(
    "content",
    ["{", '{"format": 1}', *(pytest.param(each, marks=pytest.mark.qualification) for each in ("[]", ""))],
)
def test_a_damaged_pointer_is_reported(sdk, key, paths, content):
    """And installing again mends it."""
    sdk.install_core(key)
    Path(paths.core_pointer).write_text(content)
    status = sdk.check_installation()
    assert not status
    assert status.problems
    sdk.install_core(key)
    assert sdk.check_installation()


def test_a_core_that_lacks_a_package_is_reported_with_the_command(sdk, key, monkeypatch):
    """To install the core again would not help."""
    from nimbus_sdk.core import installation_status as module

    def fail():
        raise nimbus_sdk.CoreIncompatibleError("It needs numpy.", hint="Run `pip install numpy`.")

    sdk.install_core(key)
    monkeypatch.setattr(module.loader, "load", fail)  # type: ignore[attr-defined]
    status = sdk.check_installation()
    assert (bool(status), status.problems, status.hint) == (
        False,
        ("It needs numpy.",),
        "Run `pip install numpy`.",
    )


def test_a_damaged_core_is_reported_when_a_name_is_used(key, sdk, paths, forked):
    """It is not run, and a program that imports its names can install it again."""
    sdk.install_core(key)
    library(paths, "model.bin").unlink()
    forked(
        "from nimbus_sdk import CoreIntegrityError, NimbusLDA, install_core, load_model\n"
        "try:\n"
        "    load_model(NimbusLDA, 'a_model')\n"
        "except CoreIntegrityError as error:\n"
        "    assert error.issues and 'install --force' in str(error)\n"
        "else:\n"
        "    raise SystemExit('it was loaded')\n"
    )
