"""The whole way of a wheel over real connections: from the release to a core that predicts."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Generator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from nimbus_sdk.api import endpoints
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel import download, release, unpack, verify, versions
from nimbus_sdk.core.wheel.download import FileSink
from nimbus_sdk.errors import CoreDownloadError, CoreIntegrityError
from nimbus_sdk.transport.driver import AsyncDriver, Driver
from nimbus_sdk.transport.flow import run_blocking
from tests.support.wheels import fresh_python

USE = """
import json, sys
from nimbus_sdk.core.wheel import loader
get = lambda name: loader.get_object(name, sys.argv[1])
model = get("load_model")(get("RxLDAModel"), "motor_imagery_4class_v1")
print(json.dumps([get("__version__"), type(model).__name__]))
"""


@pytest.fixture
def settings(sandbox) -> Settings:
    """Settings that lead to the sandbox."""
    return Settings.load()


@pytest.fixture
def downloads(tmp_path) -> Path:
    """The folder of partial files."""
    return tmp_path / "downloads"


def fetched(settings: Settings, key: str, downloads: Path, reported: list[int]) -> Generator:
    """Token, release, digest, asset: what an installation asks for."""
    token = (yield from endpoints.github_token(settings.api_url, ApiKey.parse(key))).github_token
    published = yield from release.find_release(settings, token)
    wheel = release.choose_wheel(published)
    digest = yield from release.expected_digest(settings, published, wheel, token)
    sink = FileSink(str(downloads), wheel.name, wheel.size, digest, lambda done, *_: reported.append(done))
    path = yield from download.download_asset(settings, wheel, token, sink)
    facts = yield from run_blocking(lambda: verify.check_wheel(path, wheel.name))
    return path, facts, digest  # type: ignore[return-value]


def run(settings: Settings, key: str, downloads: Path) -> tuple:
    """Fetch with the blocking driver, without waiting between attempts."""
    with closing(Driver(settings, sleep=lambda seconds: None)) as driver:
        return driver.run(fetched(settings, key, downloads, []))


def asked(sandbox) -> list[str]:
    """The endpoints that were asked, in order."""
    return [exchange.endpoint for exchange in sandbox.journal()]


def test_a_wheel_comes_from_its_release_to_a_core_in_use(sandbox, key, settings, downloads, tmp_path):
    """Fetched, checked, unpacked, proven and switched to, the core then loads a model offline."""
    path, facts, digest = run(settings, key, downloads)
    assert asked(sandbox) == ["github_token", "release", "asset", "storage"]
    core = unpack.stage(path, str(tmp_path / "core"), facts, digest)
    unpack.probe(core)
    versions.switch(str(tmp_path / "core"), core)
    done = fresh_python(USE, str(tmp_path / "core"), cwd=tmp_path, NIMBUS_SDK_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [facts.version, "NimbusLDA"]


def test_the_storage_host_gets_no_token(sandbox, key, settings, downloads):
    """Authentication is sent to GitHub, and to nobody else."""
    run(settings, key, downloads)
    sent = {exchange.endpoint: "authorization" in exchange.headers for exchange in sandbox.journal()}
    assert sent == {"github_token": False, "release": True, "asset": True, "storage": False}


def test_the_same_flow_runs_in_an_event_loop(sandbox, key, settings, downloads):
    """The awaitable driver fetches the same bytes, and tells progress on the way."""
    reported: list[int] = []

    async def main() -> str:
        async with aclosing(AsyncDriver(settings)) as driver:
            path, _, _ = await driver.run(fetched(settings, key, downloads, reported))  # type: ignore[misc]
            return path  # type: ignore[has-type]

    path = asyncio.run(main())
    assert reported == sorted(reported)
    assert reported[-1] == os.path.getsize(path)


def test_a_line_that_breaks_costs_only_what_was_not_there(sandbox, key, settings, downloads):
    """Cut twice, the download asks for the rest each time, and each byte is sent once."""
    sandbox.fault("storage", truncate=5000)
    sandbox.fault("storage", reset="after_head", truncate=3000)
    path, _, _ = run(settings, key, downloads)
    storage = [exchange for exchange in sandbox.journal() if exchange.endpoint == "storage"]
    assert [exchange.status for exchange in storage] == [200, 206, 206]
    assert storage[1].range == "bytes=5000-"
    assert "if-range" in storage[1].headers
    assert os.path.getsize(path) > 8000


def test_a_front_that_cuts_every_connection_ends_no_download(sandbox, key, settings, downloads):
    """However many connections it takes, each resumes where the one before it ended."""
    sandbox.fault("storage", truncate=5000, times=4)
    sandbox.fault("storage", status=503, times=2)
    sandbox.fault("storage", reset="after_head", truncate=5000, times=4)
    path, _, _ = run(settings, key, downloads)
    storage = [exchange.status for exchange in sandbox.journal() if exchange.endpoint == "storage"]
    assert storage == [200, 206, 206, 206, 503, 503, 206, 206, 206, 206, 206]
    assert os.path.getsize(path) > 40_000


def test_links_that_expire_on_a_slow_line_end_no_download(sandbox, key, settings, downloads):
    """A new one is requested each time, as long as bytes arrive in between."""
    for _ in range(3):
        sandbox.fault("storage", truncate=8000)
        sandbox.fault("storage", status=403)
    run(settings, key, downloads)
    assert asked(sandbox)[2:] == ["asset", *["storage", "storage", "asset"] * 3, "storage"]


def test_a_download_that_ends_in_the_middle_is_resumed_by_the_next_run(sandbox, key, settings, downloads):
    """The error says what is stored; a later run resumes there."""
    sandbox.fault("storage", truncate=5000)
    sandbox.fault("storage", html=True)
    with pytest.raises(CoreDownloadError, match=r"bytes are stored\. .*resumes there"):
        run(settings, key, downloads)
    (part,) = downloads.glob("*.part")
    stored = part.stat().st_size
    assert stored >= 5000
    sandbox.clear_faults()
    sandbox.clear_journal()
    run(settings, key, downloads)
    (storage,) = [exchange for exchange in sandbox.journal() if exchange.endpoint == "storage"]
    assert (storage.status, storage.range) == (206, f"bytes={stored}-")


def test_an_expired_link_is_asked_for_again(sandbox, key, settings, downloads):
    """The storage host's 403 leads back to GitHub, once."""
    sandbox.fault("storage", status=403)
    run(settings, key, downloads)
    assert asked(sandbox) == ["github_token", "release", "asset", "storage", "asset", "storage"]


def test_changed_bytes_are_refused(sandbox, key, settings, downloads):
    """A file that is not what was published is not used, and not stored."""
    sandbox.fault("storage", corrupt_digest=True)
    with pytest.raises(CoreIntegrityError, match="does not match"):
        run(settings, key, downloads)
    assert not list(downloads.glob("*.part"))


def test_a_part_of_other_bytes_is_replaced_whole(sandbox, key, settings, downloads):
    """What was resumed and does not match is fetched once more from the start, in the same run."""
    sandbox.fault("storage", truncate=5000)
    sandbox.fault("storage", html=True)
    with pytest.raises(CoreDownloadError):
        run(settings, key, downloads)
    sandbox.clear_journal()
    sandbox.fault("storage", corrupt_digest=True)
    run(settings, key, downloads)
    storage = [exchange.status for exchange in sandbox.journal() if exchange.endpoint == "storage"]
    assert storage == [206, 200]


@pytest.mark.parametrize("endpoint", ["asset", "storage"])
def test_a_captive_portal_is_reported(sandbox, key, settings, downloads, endpoint):
    """A log-in page in place of the wheel is named as such."""
    sandbox.fault(endpoint, html=True)
    with pytest.raises(CoreDownloadError, match="text/html"):
        run(settings, key, downloads)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_githubs_refusals_are_reported(sandbox, key, settings, downloads, status):
    """A refusal by GitHub is a download error, whatever was asked for."""
    for endpoint in ("release", "asset"):
        sandbox.fault(endpoint, status=status, times=1 if status == 403 else 3)
        with pytest.raises(CoreDownloadError, match=str(status)):
            run(settings, key, downloads)


def test_a_storage_host_that_fails_is_reported(sandbox, key, settings, downloads):
    """A failing storage host is tried again, then reported as what it is."""
    sandbox.fault("storage", status=503, times=None)
    with pytest.raises(CoreDownloadError, match=r"could not send nimbus_sdk_core-.*with status 503"):
        run(settings, key, downloads)
    assert asked(sandbox).count("storage") == 4


def test_checksums_come_from_their_file_where_github_tells_none(sandbox, key, settings, downloads):
    """An older release without digests is checked against its SHA256SUMS."""
    sandbox.publish("0.3.0", digest=False)
    _, facts, _ = run(settings, key, downloads)
    assert facts.version == "0.3.0"
    assert asked(sandbox) == ["github_token", "release", "asset", "storage", "asset", "storage"]


def test_without_any_checksum_nothing_is_downloaded(sandbox, key, settings, downloads):
    """What nobody vouches for is refused before the download."""
    sandbox.publish("0.3.0", digest=False, sums=False)
    with pytest.raises(CoreIntegrityError):
        run(settings, key, downloads)
    assert asked(sandbox) == ["github_token", "release"]
