"""One function for each reader: it gets bytes, and may raise nothing but a ``NimbusError``.

Hypothesis, atheris and the stored cases use these. A reader that returns a value although it must refuse
raises ``AssertionError``, which is a failure like any other.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.parser import BytesHeaderParser
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from nimbus_sdk.account.session import as_session
from nimbus_sdk.account.session_lookup import find_session, stored_session
from nimbus_sdk.api.schemas import Entitlement, EventReceipt, GithubToken, Health, ModelList, Revocation
from nimbus_sdk.config.dotenv import dotenv_values
from nimbus_sdk.config.keys import ApiKey, parse_key
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import DEFAULT_ORIGIN, Settings
from nimbus_sdk.core.wheel import manifest, release, unpack, verify
from nimbus_sdk.errors import InvalidKeyFormatError, NimbusError, ResponseFormatError, SessionTamperedError
from nimbus_sdk.storage import sealed, trust
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_metadata import read_metadata
from nimbus_sdk.storage.keyring_breaker import read_breaker
from nimbus_sdk.transport.flow import Request, Response
from nimbus_sdk.transport.parse import parse_response
from nimbus_sdk.transport.retry import LONGEST_REQUESTED_SECONDS, parse_retry_after
from nimbus_sdk.transport.status_errors import raise_for_status
from tests.support.wheels import record

Reader = Callable[[bytes], None]
WHEEL = "nimbus_sdk_core-1.0.0-py3-none-any.whl"
INFO = "nimbus_sdk_core-1.0.0.dist-info"
MARK = b"\n--8<--\n"
MODELS = (Entitlement, Revocation, GithubToken, ModelList, EventReceipt, Health)


def wheel(content: bytes) -> None:
    """A file that is offered as a wheel."""
    with _folder() as folder:
        path = folder / WHEEL
        path.write_bytes(content)
        facts = verify.check_wheel(str(path), WHEEL)
        unpack.stage(str(path), str(folder / "core"), facts, "0" * 64)
    assert facts.version == "1.0.0"


def wheel_parts(content: bytes) -> None:
    """A whole archive around strange METADATA, WHEEL, RECORD, and a strange name, separated by ``MARK``."""
    metadata, wheel_info, recorded, name = (*content.split(MARK), b"", b"", b"", b"")[:4]
    entries = {f"{INFO}/METADATA": metadata, f"{INFO}/WHEEL": wheel_info, "nimbus_sdk_core/__init__.py": b""}
    strange = name.decode("utf-8", "replace")
    with _folder() as folder:
        path = folder / WHEEL
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            for known, data in entries.items():
                archive.writestr(ZipInfo(known), data)
            if strange and strange not in entries:
                entries[strange] = b"x"
                archive.writestr(ZipInfo(strange), b"x")
            archive.writestr(ZipInfo(f"{INFO}/RECORD"), recorded or record(entries, INFO))
        facts = verify.check_wheel(str(path), WHEEL)
        unpack.stage(str(path), str(folder / "core"), facts, "0" * 64)


def session(content: bytes) -> None:
    """A file instead of the session; only what this installation has sealed is ever returned."""
    with _empty_home() as paths:
        sealed.write_session(paths, {"genuine": True})
        genuine = Path(paths.session).read_bytes()
        Path(paths.session).write_bytes(content)
        try:
            found = sealed.read_session(paths)
        except SessionTamperedError:
            assert not os.path.exists(paths.session), "it was refused and not moved aside"
            raise
        assert found is None or json.loads(content) == json.loads(genuine), "a forged session was accepted"


def sealed_session(content: bytes) -> None:
    """A session that was sealed here, and contains what no session of this version does."""
    with _empty_home() as paths:
        try:
            sealed.write_session(paths, json.loads(content))
        except (ValueError, TypeError, RecursionError, AttributeError):
            return
        found = stored_session(paths)
        if found is not None:
            str(found), found.to_json(), as_session(found)._repr_html_(), find_session(paths, None)


def state_files(content: bytes) -> None:
    """The same bytes instead of every other small file that is read."""
    with _empty_home() as paths:
        refusal = paths.rejection("0" * 12, DEFAULT_ORIGIN)
        for path in (paths.next_session, paths.last_seen, refusal, paths.key_metadata):
            _put(path, content)
        for path in (paths.keyring_breaker, paths.core_pointer, os.path.join(paths.core, "manifest.json")):
            _put(path, content)
        _put(paths.seal, content)
        readers: tuple[Callable[[], object], ...] = (
            lambda: sealed.read_staged_session(paths),
            lambda: sealed.read_last_seen(paths),
            lambda: sealed.read_rejection(paths, "0" * 12, DEFAULT_ORIGIN),
            lambda: sealed.rejecting_services(paths, "0" * 12),
            lambda: read_metadata(paths),
            lambda: read_breaker(paths.keyring_breaker, now=0.0),
            lambda: manifest.find_core(paths.core),
            lambda: manifest.read_manifest(paths.core),
        )
        for read in readers:
            with suppress(NimbusError):
                read()


def credentials(content: bytes) -> None:
    """A file instead of the credentials file."""
    with _empty_home() as paths:
        _put(paths.credentials, content)
        os.chmod(paths.credentials, 0o600)
        FileStore(paths.credentials).read("default")


def key(content: bytes) -> None:
    """A text that was pasted as a key."""
    text = content.decode("utf-8", "surrogateescape")
    found = parse_key(text)
    if isinstance(found, InvalidKeyFormatError):
        assert not _contains(str(found), text.strip()), "the message shows what was pasted"
        raise found
    assert isinstance(found, ApiKey)
    assert found.reveal() in text


def dotenv(content: bytes) -> None:
    """A ``.env`` of a cloned repository."""
    with _folder() as folder:
        path = folder / ".env"
        path.write_bytes(content)
        values = dotenv_values(str(path))
        assert all(name.startswith("NIMBUS_") for name in values)
        loaded = Settings.load(environ={}, directory=str(folder))
    assert (loaded.api_url, loaded.github_url, loaded.home) == (
        Settings().api_url,
        Settings().github_url,
        None,
    )


def answers(content: bytes) -> None:
    """The body of a success, for every model that the service documents."""
    answer = Response(status=200, headers={"content-type": "application/json"}, body=content)
    for model in MODELS:
        with suppress(ResponseFormatError):
            str(parse_response(model, answer))


def refusals(content: bytes) -> None:
    """The body of a refusal, with any status."""
    status = 400 + (content[0] if content else 0) % 200
    call = Request(name="validate", method="POST", url="https://api.nimbusbci.com/v1/auth/validate")
    raise_for_status(call, Response(status=status, headers=_headers(content), body=content[1:]))


def waits(content: bytes) -> None:
    """Headers that say how long to wait, one a line."""
    headers = _headers(content)
    asked = parse_retry_after(headers)
    assert asked is None or 0 <= asked <= LONGEST_REQUESTED_SECONDS


def releases(content: bytes) -> None:
    """GitHub's answer about a release, down to the wheel that is chosen."""
    from pydantic import SecretStr

    conversation = release.find_release(Settings(), SecretStr("ghs_" + "x" * 36))
    next(conversation)
    try:
        conversation.send(Response(status=200, headers={}, body=content))
    except StopIteration as end:
        release.choose_wheel(end.value)


def model_file(content: bytes) -> None:
    """A model file for the reference core: as it is, or header and payload (separated) in a whole frame."""
    # Importing it makes the core importable in the whole process, which the SDK's own tests must not see.
    from tests.security.fuzz.model_files import read

    read(content, MARK)


READERS: dict[str, Reader] = {
    reader.__name__: reader
    for reader in (
        wheel,
        wheel_parts,
        session,
        sealed_session,
        state_files,
        credentials,
        key,
        dotenv,
        answers,
        refusals,
        waits,
        releases,
        model_file,
    )
}


def feed(reader: Reader, content: bytes) -> None:
    """Feed a reader; raise whatever it raises that is no ``NimbusError``."""
    with suppress(NimbusError):
        reader(content)


def _headers(content: bytes) -> dict[str, str]:
    parsed_headers = BytesHeaderParser().parsebytes(content[:4096])
    return {name.lower(): str(value) for name, value in parsed_headers.items()}


def _contains(message: str, text: str) -> bool:
    longest = max((len(piece) for piece in text.split()), default=0)
    return longest > 12 and text in message


def _put(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_bytes(content)


@contextmanager
def _folder() -> Iterator[Path]:
    shelf = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = tempfile.mkdtemp(prefix="nimbus-fuzz-", dir=shelf)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder)


@contextmanager
def _empty_home() -> Iterator[Paths]:
    with _folder() as folder:
        paths = Settings(home=str(folder)).paths
        trust.create_once(paths.seal, b"5eal" * 16, paths.state_root)
        yield paths
