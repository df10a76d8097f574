"""The conversation of a download: what is resumed, what is fetched once more, and what is given up."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.download import FileSink, download_asset
from nimbus_sdk.core.wheel.release import Asset
from nimbus_sdk.errors import (
    CoreDownloadError,
    CoreInstallError,
    CoreIntegrityError,
    NimbusConnectionError,
    NimbusTimeoutError,
)
from tests.support.wheels import answer, play, sending

CONTENT = b"0123456789" * 20
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ASSET = Asset(id=7, name="core.whl", size=len(CONTENT), digest=f"sha256:{SHA256}")
TOKEN = SecretStr("ghs_" + "t" * 36)
SIGNED = answer(302, b"", location="https://objects.example.net/blob?sig=1")


@pytest.fixture
def folder(tmp_path):
    """The folder of partial files."""
    return tmp_path / "downloads"


def fetch(folder: Path, *replies) -> tuple[str, list]:
    """Play a download into that folder."""
    sink = FileSink(str(folder), ASSET.name, ASSET.size, SHA256)
    return play(download_asset(Settings(), ASSET, TOKEN, sink), *replies)


def rest(start: int, content: bytes = CONTENT):
    """A reply with everything from a place on."""
    return sending(content[start:], 206, content_range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")


def breaking_after(count: int, error: Exception, **headers: str):
    """A reply that sends so many bytes, then loses the connection."""

    def reply(step):
        sending(CONTENT[:count], **headers)(step)
        raise error

    return reply


def stored(folder: Path) -> bytes:
    """The part that was left behind."""
    return (folder / f"{SHA256}.part").read_bytes()


def test_an_asset_is_fetched_through_one_redirect(folder):
    """Two calls, the sink on both, and the whole file at the end."""
    path, (asset, storage) = fetch(folder, SIGNED, sending(CONTENT))
    assert Path(path).read_bytes() == CONTENT
    assert asset.sink is storage.sink
    assert asset.auth is not None
    assert storage.auth is None
    assert asset.silence == storage.silence == Settings().timeout


def test_an_asset_may_come_without_a_redirect(folder):
    """A GitHub server that has no storage host sends the bytes itself."""
    path, calls = fetch(folder, sending(CONTENT))
    assert Path(path).read_bytes() == CONTENT
    assert len(calls) == 1


def test_a_lost_connection_keeps_what_arrived_and_the_next_run_resumes(folder):
    """The error says how much is there and that running again goes on from it; then it does."""
    with pytest.raises(CoreDownloadError) as caught:
        fetch(folder, SIGNED, breaking_after(120, NimbusConnectionError("The line broke."), etag='"v1"'))
    assert "The line broke. 120 of 200 bytes are stored." in str(caught.value)
    assert "The next run resumes there." in str(caught.value)
    assert stored(folder) == CONTENT[:120]
    second = rest(120)
    path, _ = fetch(folder, SIGNED, second)
    assert Path(path).read_bytes() == CONTENT
    assert second.asked == {"Range": "bytes=120-", "If-Range": '"v1"'}


def test_a_connection_that_never_was_promises_nothing(folder):
    """Where nothing arrived, nothing is said to be stored, and no file stays."""
    with pytest.raises(CoreDownloadError) as caught:
        fetch(folder, NimbusTimeoutError("No answer."))
    assert "stored" not in str(caught.value)
    assert os.listdir(folder) == []


def test_a_short_answer_is_completed_in_the_same_run(folder):
    """An answer that ended early is continued, round after round."""
    second = rest(50)
    path, calls = fetch(folder, SIGNED, sending(CONTENT[:50]), SIGNED, second)
    assert Path(path).read_bytes() == CONTENT
    assert second.asked["Range"] == "bytes=50-"
    assert len(calls) == 4


def test_short_answers_without_end_are_given_up(folder):
    """After three rounds the download is reported to be incomplete, and what is there is stored."""
    rounds = [reply for count in (10, 20, 30) for reply in (SIGNED, sending(CONTENT[:count]))]
    with pytest.raises(CoreDownloadError, match="incomplete: 30 of 200 bytes"):
        fetch(folder, *rounds)
    assert stored(folder) == CONTENT[:30]


def test_a_resumed_download_that_is_wrong_is_fetched_once_more_whole(folder):
    """A part of another file under the same name costs one clean download, not a failure."""
    with pytest.raises(CoreDownloadError):
        fetch(folder, SIGNED, breaking_after(120, NimbusConnectionError("gone")))
    (folder / f"{SHA256}.part").write_bytes(b"x" * 120)
    clean = sending(CONTENT)
    path, _ = fetch(folder, SIGNED, rest(120), SIGNED, clean)
    assert Path(path).read_bytes() == CONTENT
    assert clean.asked == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize("length", [len(CONTENT), 120])
def test_what_a_power_cut_left_behind_is_taken_over_once(folder, length):
    """Zeros in the file of a process that is gone: one clean download, and no later one meets them again."""
    folder.mkdir()
    orphan = folder / f"{SHA256}.99999-abcdef.part"
    orphan.write_bytes(bytes(length))
    resumed = () if length == len(CONTENT) else (SIGNED, rest(length))
    path, _ = fetch(folder, *resumed, SIGNED, sending(CONTENT))
    assert Path(path).read_bytes() == CONTENT
    assert not orphan.exists()


def test_a_part_that_its_process_goes_on_with_is_left_to_it(folder):
    """Bytes that were wrong by the time they were read are the other process's own business."""
    folder.mkdir()
    other = folder / f"{SHA256}.99999-abcdef.part"
    other.write_bytes(bytes(120))

    def meanwhile(step):
        other.write_bytes(bytes(130))
        return rest(120)(step)

    fetch(folder, SIGNED, meanwhile, SIGNED, sending(CONTENT))
    assert other.exists()


def test_wrong_bytes_of_a_whole_answer_are_not_blamed_on_a_part(folder):
    """Where the server began anew, what was taken over is not in what arrived."""
    folder.mkdir()
    other = folder / f"{SHA256}.99999-abcdef.part"
    other.write_bytes(CONTENT[:120])
    with pytest.raises(CoreIntegrityError, match="does not match"):
        fetch(folder, SIGNED, sending(CONTENT[::-1]))
    assert other.exists()


def test_a_resumed_download_that_does_not_end_is_fetched_once_more_whole(folder):
    """The same where too much came."""
    with pytest.raises(CoreDownloadError):
        fetch(folder, SIGNED, breaking_after(120, NimbusConnectionError("gone")))
    endless = sending(CONTENT, 206, content_range=f"bytes 120-{len(CONTENT) - 1}/{len(CONTENT)}")
    path, _ = fetch(folder, SIGNED, endless, SIGNED, sending(CONTENT))
    assert Path(path).read_bytes() == CONTENT


def test_a_clean_download_that_is_wrong_is_refused_at_once(folder):
    """Bytes that came in one go and do not match are somebody's doing: they are not fetched again."""
    with pytest.raises(CoreIntegrityError, match="does not match"):
        fetch(folder, SIGNED, sending(CONTENT[::-1]))
    assert os.listdir(folder) == []


def test_a_resumed_download_that_is_wrong_twice_is_refused(folder):
    """After the clean round the digest's word is final."""
    with pytest.raises(CoreDownloadError):
        fetch(folder, SIGNED, breaking_after(120, NimbusConnectionError("gone")))
    with pytest.raises(CoreIntegrityError, match="does not match"):
        fetch(folder, SIGNED, rest(120, CONTENT[::-1]), SIGNED, sending(CONTENT[::-1]))


def test_a_range_that_is_not_there_starts_anew(folder):
    """416 means that the file is another by now: the part is dropped and everything asked for."""
    with pytest.raises(CoreDownloadError):
        fetch(folder, SIGNED, breaking_after(120, NimbusConnectionError("gone")))
    clean = sending(CONTENT)
    path, _ = fetch(folder, SIGNED, answer(416), SIGNED, clean)
    assert Path(path).read_bytes() == CONTENT
    assert clean.asked == {}  # type: ignore[attr-defined]


def test_a_whole_part_is_used_without_a_request(folder):
    """What arrived before the process was killed is hashed, not fetched."""
    folder.mkdir()
    (folder / f"{SHA256}.part").write_bytes(CONTENT)
    path, calls = fetch(folder)
    assert Path(path).read_bytes() == CONTENT
    assert calls == []


def test_a_login_page_in_place_of_the_file_is_reported(folder):
    """A captive portal's page is no part of the file."""
    page = sending(b"<html>", content_length="6", content_type="text/html")
    with pytest.raises(CoreDownloadError, match="6 bytes of 'text/html'"):
        fetch(folder, page)
    assert os.listdir(folder) == []


def test_a_refusal_of_the_disk_ends_the_download(folder, monkeypatch):
    """A full disk is reported as such, with the folder."""

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(CoreInstallError, match="No space left"):
            fetch(folder, SIGNED, sending(CONTENT))


def test_an_abandoned_download_keeps_its_part(folder):
    """A flow that is closed in mid-download, as by Ctrl-C, leaves its bytes to the next run."""
    sink = FileSink(str(folder), ASSET.name, ASSET.size, SHA256)
    flow = download_asset(Settings(), ASSET, TOKEN, sink)
    next(flow).run()
    step = flow.send(None)
    sending(CONTENT[:80])(step)
    flow.close()
    assert stored(folder) == CONTENT[:80]
