"""The single sources of a key: each is read without raising, and reported without showing the key."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from nimbus_sdk.config.dotenv import decode_text, dotenv_values
from nimbus_sdk.config.keys import ApiKey, parse_key
from nimbus_sdk.config.settings import DEFAULT_ORIGIN, Settings, origin, read_text
from nimbus_sdk.errors import ConfigurationError, CredentialStoreError, InvalidKeyFormatError, NimbusError
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.key_kind import K_co, Key, KeyKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey

K = TypeVar("K", bound=Key)
Parser: TypeAlias = Callable[["str | None"], "K | InvalidKeyFormatError | None"]
State = Literal["found", "absent", "shadowed", "malformed", "withheld", "unreadable", "skipped"]

_KEY_FILE_LIMIT = 4096
_JULIA_LIMIT = 16 * 1024
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_from_pipes: dict[tuple[str, int, int], ParsedKey] = {}
"""What came through a pipe, which can be read only once; it stays in memory until the process ends."""


@dataclass(frozen=True, slots=True)
class SourceResult(Generic[K_co]):
    """What one source has, as in ``FoundKey`` and ``SourceReport``, and what follows from it.

    Attributes:
        key: The key, if it was read.
        masked_key: Masked key and fingerprint, if they are known without reading the key.
        error: What is raised if no earlier source has a key.
        note: A sentence for the message that no key was found.
    """

    source: str
    location: str
    state: State
    key: K_co | None = None
    store: str = ""
    masked_key: tuple[str, str] | None = None
    detail: str = ""
    error: NimbusError | None = None
    note: str = ""

    @property
    def is_final(self) -> bool:
        """Whether no later source is asked."""
        return self.state == "found" or self.error is not None


def first_found(results: Iterable[SourceResult[K]]) -> tuple[SourceResult[K] | None, str]:
    """Return the first result that has a key, and the notes of those before it, or of all if none has one.

    Raises:
        NimbusError: A source before it has something that is not a key, or cannot be read.
    """
    notes: list[str] = []
    for result in results:
        if result.error is not None:
            raise result.error
        if result.state == "found" and result.key is not None:
            return result, " ".join(notes)
        if result.note:
            notes.append(result.note)
    return None, " ".join(notes)


def read_argument(given: str | ApiKey | None) -> SourceResult[ApiKey]:
    """Read the caller's own argument; empty text is a mistake there, and no key."""
    source, location = "argument", "the argument"
    if given is None:
        return SourceResult(source, location, "absent")
    return _result(source, location, given if isinstance(given, ApiKey) else parse_key(given))


def read_environment(environ: Mapping[str, str], variable: str, parse: Parser[K]) -> SourceResult[K]:
    """Read a variable of the environment."""
    text = _text(environ, variable)
    return _parse_unless_blank("environment", f"{variable} in the environment", text, parse)


def read_dotenv(settings: Settings, variable: str, parse: Parser[K]) -> SourceResult[K]:
    """Read a variable of the ``.env`` that settings were loaded from."""
    skipped = settings.skipped_dotenv
    note = f"{skipped} was skipped: it belongs to another user." if skipped else ""
    if settings.dotenv is None:
        detail = note.rstrip(".") or "there is none for this folder"
        return SourceResult("dotenv", "the nearest .env", "absent", detail=detail, note=note)
    location = f"{variable} in {settings.dotenv}"
    try:
        text = _text(dotenv_values(settings.dotenv, variable), variable)
    except ConfigurationError as error:
        # A new error: the traceback of this one carries the content of the file.
        return _unreadable("dotenv", location, ConfigurationError(error.message))
    return _parse_unless_blank("dotenv", location, text, parse)


def read_key_file(settings: Settings) -> SourceResult[ApiKey]:
    """Read the mounted file, or the pipe, that ``NIMBUS_SDK_API_KEY_FILE`` names.

    A missing or empty file is an error: whoever names a file must not be led to another account.
    """
    if settings.key_file is None:
        return SourceResult("key_file", "NIMBUS_SDK_API_KEY_FILE", "absent")
    location = f"{settings.key_file} (NIMBUS_SDK_API_KEY_FILE)"
    try:
        key = _key_from_file(settings.key_file, settings.timeout)
    except OSError as fault:
        message = f"The key file {location} cannot be read: {fault.strerror or fault}."
        return _unreadable("key_file", location, ConfigurationError(message))
    return _result("key_file", location, key)


def _key_from_file(path: str, seconds: float) -> ParsedKey:
    pipe = _pipe_at(path)
    if pipe is None:
        content = fs.read(path, _KEY_FILE_LIMIT)
        if content is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return parse_key(decode_text(content))
    if pipe not in _from_pipes:
        _from_pipes[pipe] = parse_key(decode_text(_read_pipe(path, seconds)))
    return _from_pipes[pipe]


def _pipe_at(path: str) -> tuple[str, int, int] | None:
    """Return what tells a pipe from every other pipe, or None if there is no pipe at the path."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (path, status.st_dev, status.st_ino) if stat.S_ISFIFO(status.st_mode) else None


def _read_pipe(path: str, seconds: float) -> bytes:
    """Return everything that comes through a pipe until its writer closes it; wait that many seconds."""
    import select

    deadline, content = time.monotonic() + seconds, b""
    # With O_NONBLOCK a pipe can be opened before it has a writer.
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while len(content) <= _KEY_FILE_LIMIT:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise TimeoutError(errno.ETIMEDOUT, f"the pipe was not closed within {seconds:g} s")
            with suppress(BlockingIOError):
                chunk = os.read(descriptor, _KEY_FILE_LIMIT + 1 - len(content))
                if not chunk:
                    return content
                content += chunk
    finally:
        os.close(descriptor)
    raise fs.NoFileError(errno.EFBIG, f"more than {_KEY_FILE_LIMIT} bytes came through the pipe")


def read_store(
    settings: Settings, api_url: str, kind: KeyKind[K], patience: float | None = None
) -> SourceResult[K]:
    """Read the credential store's key for the profile; this may open the keyring, with this patience.

    A key that was accepted by another service than the one at ``api_url`` is withheld.
    """
    from nimbus_sdk.storage.credentials import read_stored_key

    if settings.credential_store == "none":
        detail = "NIMBUS_SDK_CREDENTIAL_STORE is none"
        return SourceResult("store", "no credential store", "skipped", detail=detail)
    try:
        stored = read_stored_key(settings, kind, patience)
    except CredentialStoreError as error:
        return _unreadable("store", settings.credential_store or "the credential store", error)
    location, problem = stored.location, stored.problem
    if stored.key is None:
        return SourceResult("store", location, "absent", detail=problem, note=problem)
    withheld = stored.withheld_from(api_url)
    if withheld is not None:
        return _withheld("store", location, stored.key, withheld)
    return SourceResult("store", location, "found", stored.key, store=stored.store, detail=problem)


def read_store_metadata(settings: Settings) -> SourceResult[ApiKey] | None:
    """Report the stored key by its metadata, with no store opened; None if there is none that fits."""
    from nimbus_sdk.storage.key_metadata import read_metadata

    try:
        metadata = read_metadata(settings.paths)
    except CredentialStoreError:
        # Reading the store itself meets the same fault, and reports it.
        return None
    if metadata is None or settings.credential_store not in (None, metadata.store):
        return None
    location = f"{metadata.store}, saved {metadata.saved_at}"
    return SourceResult("store", location, "found", masked_key=(metadata.masked, metadata.fingerprint))


def read_julia_credentials(settings: Settings) -> SourceResult[ApiKey]:
    """Read NimbusSDK.jl's ``~/.nimbus/credentials.toml``; no fault of it stops anything."""
    path = os.path.join(os.path.expanduser("~"), ".nimbus", "credentials.toml")
    location = f"[nimbus] api_key in {path}"
    try:
        content = fs.read(path, _JULIA_LIMIT) if os.path.isabs(path) else None
        text = None if content is None else _julia_entry(content)
    except (OSError, ValueError, RecursionError) as fault:
        why = f"it cannot be read ({type(fault).__name__})"
        note = f"{path} was skipped: {why}."
        return SourceResult("julia", location, "unreadable", detail=why, note=note)
    result = _parse_unless_blank("julia", location, text, parse_key)
    requested = origin(settings.api_url)
    if result.key is not None and requested != DEFAULT_ORIGIN:
        return _withheld("julia", location, result.key, f"it is for {DEFAULT_ORIGIN}, not for {requested}")
    return result


def _text(variables: Mapping[str, str], variable: str) -> str | None:
    return read_text(variables, variable) if variable in variables else None


def _parse_unless_blank(source: str, location: str, text: str | None, parse: Parser[K]) -> SourceResult[K]:
    # CI systems and compose files set a variable to nothing if its secret is missing.
    if text is None or not text.strip():
        return SourceResult(source, location, "absent", detail="" if text is None else "it is empty")
    return _result(source, location, parse(text))


def _result(source: str, location: str, key: K | InvalidKeyFormatError | None) -> SourceResult[K]:
    if isinstance(key, InvalidKeyFormatError):
        error = InvalidKeyFormatError(f"{location}: {key.message}", hint=key.hint)
        return SourceResult(source, location, "malformed", detail=key.message, error=error)
    return SourceResult(source, location, "found", key)


def _unreadable(source: str, location: str, error: NimbusError) -> SourceResult[Any]:
    return SourceResult(source, location, "unreadable", detail=error.message, error=error)


def _withheld(source: str, location: str, key: K, why: str) -> SourceResult[K]:
    note = f"The key {key.masked} ({location}) was not used: {why}."
    return SourceResult(source, location, "withheld", key, detail=why, note=note)


def _julia_entry(content: bytes) -> str | None:
    import tomllib

    table = tomllib.loads(content.decode("utf-8-sig")).get("nimbus")
    entry = table.get("api_key") if isinstance(table, dict) else None
    return entry if isinstance(entry, str) else None
