"""A pre-trained model is fetched once, checked, and stored for offline use."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk import aio, install_core
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.model_download import find_local_models
from nimbus_sdk.core.public_names import with_download
from nimbus_sdk.core.wheel.protocol import MODEL_SUFFIX
from nimbus_sdk.errors import (
    SUPPORT,
    ConfigurationError,
    CoreDownloadError,
    CoreIntegrityError,
    NimbusConnectionError,
    PermissionDeniedError,
)
from nimbus_sdk.sandbox import Sandbox
from tests.support.raw_server import saying, serving

LOAD = "from nimbus_sdk import load_model\nprint(load_model('NimbusQDA', 'p300_binary_v1'))\n"
SLIP = """
try:
    load_model('NimbusQDA', 'p301_binary_v1')
except FileNotFoundError as error:
    print(error)
"""
P300 = "<NimbusQDA 'p300_binary_v1', 8 features, 2 classes, trained on simulated data>\n"


@pytest.fixture
def session(sandbox, key):
    """A research session, and the journal empty."""
    session = nimbus_sdk.authenticate(key)
    sandbox.clear_journal()
    return session


def asked(sandbox):
    """What reached the sandbox."""
    return [exchange.endpoint for exchange in sandbox.journal()]


def test_a_model_is_fetched_when_it_is_first_wanted_and_stored(sandbox, key, forked):
    """The first load asks for list, size and file, the next one, offline, for nothing.

    A name that nobody knows lists the models here and at the service, as a FileNotFoundError. Offline, a
    model that is not here says what to do.
    """
    nimbus_sdk.install_core(key)
    offered = [model.name for model in nimbus_sdk.list_available_models()]
    sandbox.clear_journal()
    said = forked(LOAD + SLIP).stdout
    assert said.startswith(P300)
    assert "There is no model 'p301_binary_v1' here." in said
    assert "Here are: motor_imagery_4class_v1" in said
    assert f"The service offers: {', '.join(sorted(offered))}." in said
    assert asked(sandbox) == ["models", "model_file", "model_file", "models"]
    sandbox.clear_journal()
    failed = forked(
        f"{LOAD}load_model('NimbusQDA', 'ssvep_multiclass_v1')", check=False, NIMBUS_SDK_OFFLINE="1"
    )
    assert failed.stdout == P300
    assert "ssvep_multiclass_v1 is not on this machine" in failed.stderr
    assert "Load it once, online" in failed.stderr
    assert asked(sandbox) == []


def test_a_model_above_the_tier_is_refused_before_it_is_asked_for(sandbox):
    """The error names the tier that has it."""
    nimbus_sdk.authenticate(sandbox.new_key("free"))
    sandbox.clear_journal()
    with pytest.raises(PermissionDeniedError, match="needs the research license; yours is free"):
        nimbus_sdk.download_model("p300_binary_v1")
    assert asked(sandbox) == ["models"]


def test_what_arrives_is_what_was_published(sandbox, session):
    """The stored file has the checksum of the registry, and only this user may read it."""
    path = nimbus_sdk.download_model("ssvep_multiclass_v1")
    checksum = nimbus_sdk.get_model_info("ssvep_multiclass_v1").checksum
    with open(path, "rb") as file:
        assert f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == checksum
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_changed_model_is_not_stored(sandbox, session, isolated_home):
    """One flipped byte on the way, and nothing of it is left."""
    sandbox.fault("model_file", corrupt_digest=True, times=None)
    with pytest.raises(CoreIntegrityError, match="does not match") as caught:
        nimbus_sdk.download_model("p300_binary_v1")
    assert not (isolated_home / "nimbus" / "data" / "models").exists()
    assert "nimbus-sdk install" not in str(caught.value), "the core has no part in it"


@pytest.mark.parametrize("share", [1, 2])
def test_a_damaged_part_costs_one_more_download(sandbox, session, isolated_home, share):
    """Zeros in the file of a process that is gone, as after a power cut: fetched whole, and nothing stays."""
    checksum = nimbus_sdk.get_model_info("p300_binary_v1").checksum.removeprefix("sha256:")
    path = nimbus_sdk.download_model("p300_binary_v1")
    size = os.path.getsize(path)
    os.remove(path)
    downloads = isolated_home / "nimbus" / "cache" / "downloads"
    assert os.listdir(downloads) == []
    (downloads / f"{checksum}.99999-abcdef.part").write_bytes(bytes(size // share))
    assert nimbus_sdk.download_model("p300_binary_v1") == path
    with open(path, "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == checksum
    assert os.listdir(downloads) == []


def test_a_login_page_is_not_taken_for_a_model(sandbox, session, isolated_home):
    """Neither is its length for the model's: what is in between is named."""
    sandbox.fault("model_file", html=True, times=None)
    with pytest.raises(CoreDownloadError, match="a web page was sent") as caught:
        nimbus_sdk.download_model("p300_binary_v1")
    assert "captive portal" in caught.value.hint
    assert asked(sandbox) == ["models", "model_file"]


def test_a_checksum_that_is_none_is_reported(sandbox, session):
    """Without one nothing is fetched, and the people to write to are named."""
    rows = [model.model_dump(mode="json") for model in nimbus_sdk.list_available_models()]
    sandbox.fault(
        "models", status=200, body={"models": [{**row, "checksum": "md5:0"} for row in rows], "total": 4}
    )
    with pytest.raises(CoreIntegrityError, match="No valid SHA-256") as caught:
        nimbus_sdk.download_model("p300_binary_v1")
    assert caught.value.hint == f"Write to {SUPPORT}."


def test_a_broken_line_is_resumed(sandbox, session):
    """The first byte is asked for to learn the size; then a cut in the middle goes on where it stopped."""
    sandbox.fault("model_file", truncate=700, after=1)
    nimbus_sdk.download_model("p300_binary_v1")
    ranges = [exchange.range for exchange in sandbox.journal() if exchange.endpoint == "model_file"]
    assert ranges == ["bytes=0-0", None, "bytes=700-"]


@pytest.mark.parametrize(
    "url", ["http://elsewhere.example/m", "ftp://127.0.0.1/m", "/m", "file:///etc/passwd"]
)
def test_no_model_comes_from_an_unsafe_address(sandbox, session, url):
    """Whatever the registry says, only https is followed, or this machine's own loopback."""
    rows = [model.model_dump(mode="json") for model in nimbus_sdk.list_available_models()]
    body = {"models": [{**row, "download_url": url} for row in rows], "total": len(rows)}
    sandbox.fault("models", status=200, body=body)
    with pytest.raises(CoreDownloadError, match="no safe URL"):
        nimbus_sdk.download_model("p300_binary_v1")


def test_another_host_gets_no_key(sandbox, session, key):
    """A download address elsewhere carries its own signature; the key stays with the API."""
    elsewhere = sandbox.storage_url
    rows = [model.model_dump(mode="json") for model in nimbus_sdk.list_available_models()]
    body = {"models": [{**row, "download_url": f"{elsewhere}/m"} for row in rows], "total": len(rows)}
    sandbox.fault("models", status=200, body=body)
    with pytest.raises(nimbus_sdk.ApiError):
        nimbus_sdk.download_model("p300_binary_v1")
    seen = [exchange for exchange in sandbox.journal() if exchange.path.endswith("/m")]
    assert seen
    assert all("x-api-key" not in exchange.headers for exchange in seen)
    assert key not in json.dumps([exchange.headers for exchange in seen])


def test_a_storage_host_has_no_word_on_the_key(sandbox, session):
    """What never got a key cannot reject it, whatever it says."""
    rows = [model.model_dump(mode="json") for model in nimbus_sdk.list_available_models()]
    rejected = b'{"error": "gone", "code": "INVALID_KEY"}'
    with serving(saying(rejected, "401 Unauthorized", "Content-Type: application/json")) as stranger:
        body = {"models": [{**row, "download_url": f"{stranger.url}/m"} for row in rows], "total": len(rows)}
        sandbox.fault("models", status=200, body=body)
        with pytest.raises(nimbus_sdk.ApiError):
            nimbus_sdk.download_model("p300_binary_v1")
        assert stranger.requests
    assert nimbus_sdk.current_session().key_fingerprint == session.key_fingerprint


@pytest.mark.parametrize("name", ["../p300", "a/b", "", "p300.nimbus", "x" * 200])
def test_a_name_is_never_a_path(session, name):
    """What is no plain name is refused before anything is asked."""
    with pytest.raises(ConfigurationError, match="not the name of a model"):
        nimbus_sdk.download_model(name)


async def _fetched():
    return await aio.download_model("p300_binary_v1")


def test_the_awaitable_twin_does_the_same(sandbox, session):
    """Same path, same file."""
    import asyncio

    assert asyncio.run(_fetched()) == nimbus_sdk.download_model("p300_binary_v1")


def test_offline_nothing_is_asked(sandbox, session, monkeypatch):
    """Not one request leaves."""
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    with pytest.raises(NimbusConnectionError, match="Offline mode"):
        nimbus_sdk.download_model("p300_binary_v1")
    assert asked(sandbox) == []


def test_what_the_core_refuses_is_an_error_of_the_sdk(installed, forked):
    """One except clause catches all; Python's own families hold as well, and a pickle keeps both words."""
    code = (
        "import pickle, nimbus_sdk\n"
        "try:\n"
        "    nimbus_sdk.BCIData([1.0], None)\n"
        "except nimbus_sdk.NimbusError as error:\n"
        "    again = pickle.loads(pickle.dumps(error))\n"
        "    print(isinstance(error, (ValueError, TypeError)), str(again) == str(error), error.exit_code)"
    )
    assert forked(code).stdout == "True True 1\n"


@pytest.mark.parametrize("deed", ["open folder", "open file", "link"])
def test_a_model_that_others_can_change_is_not_loaded(tmp_path, deed):
    """Whoever can exchange a model decides what it predicts; the error names the file and what to do."""
    folder = Path(Settings.load().paths.models)
    folder.mkdir(parents=True)
    model = folder / f"lab_v1{MODEL_SUFFIX}"
    model.touch(mode=0o600)
    load = with_download(lambda kind, name, *, search: search)
    assert load(None, "lab_v1") == (str(folder),)
    if deed == "link":
        model.rename(tmp_path / "elsewhere")
        model.symlink_to(tmp_path / "elsewhere")
    else:
        (folder if deed == "open folder" else model).chmod(0o777)
    with pytest.raises(CoreIntegrityError, match="downloaded models are not used") as caught:
        load(None, "lab_v1")
    assert str(folder if deed == "open folder" else model) in str(caught.value)


def test_without_core_and_downloads_there_are_none(isolated_home: Path) -> None:
    """A new machine has no models, and looking for them creates nothing."""
    assert find_local_models(Settings.load().paths) == ()
    assert list(isolated_home.rglob("*.nimbus")) == []


def test_the_models_of_the_core_come_before_downloads(sandbox: Sandbox, key: str) -> None:
    """Each is listed once, with the file that is loaded by its name."""
    session = install_core(key)
    assert session.license_type == "research"
    paths = Settings.load().paths
    folder = Path(paths.models)
    folder.mkdir(parents=True)
    for name in ("motor_imagery_4class_v1", "ssvep_multiclass_v1"):
        (folder / f"{name}.nimbus").touch()
    own, downloaded = find_local_models(paths)
    assert (own.name, own.origin) == ("motor_imagery_4class_v1", "core 0.1.0")
    assert Path(own.path).stat().st_size > 0
    assert (downloaded.name, downloaded.origin) == ("ssvep_multiclass_v1", "download")
    assert Path(downloaded.path) == folder / "ssvep_multiclass_v1.nimbus"
