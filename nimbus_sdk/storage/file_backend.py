"""The API keys in one private file, for machines without a keyring.

The file maps a profile to its key and the key's origin. A change keeps all other profiles, and replaces the
file in one step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from nimbus_sdk.errors import CredentialStoreError, InvalidKeyFormatError
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.key_kind import NIMBUS_BCI, K_co, Key, KeyEntry, KeyKind
from nimbus_sdk.storage.lock import Lock

T = TypeVar("T")

_CHANGE_TRIES = 5
_WAIT_SECONDS = 5.0


class FileStore(Generic[K_co]):
    """Stores keys in a file that this user alone may read (mode 0600, in a folder of mode 0700).

    Every method raises ``CredentialStoreError`` if the file cannot be read or written, is damaged, a link or
    another user's.

    Args:
        path: ``Paths.credentials``.
        kind: Whose keys are read; any kind may be written.
    """

    name = "file"

    def __init__(self, path: str, kind: KeyKind[K_co] = NIMBUS_BCI) -> None:  # type: ignore[assignment]
        self.path = path
        self._kind = kind

    def location(self, profile: str) -> str:
        """Describe where the key of a profile is."""
        return self.path

    def read(self, profile: str) -> KeyEntry[K_co] | None:
        """Return the profile's key, or None if the file has none; a damaged file is set aside."""
        entry = self._attempt("read", lambda: self._kind.parse_entry(self._load_or_quarantine().get(profile)))
        if isinstance(entry, InvalidKeyFormatError):
            raise CredentialStoreError(
                f"The entry of profile {profile} in {self.path} is not a {self._kind.name}.",
                hint=f"Save the key again with `{self._kind.save_command}`.",
            )
        return entry

    def write(self, profile: str, entry: KeyEntry[Key]) -> None:
        """Store a key, replacing the one before; other profiles stay."""
        self._attempt("changed", lambda: self._change(profile, entry.to_fields()))

    def delete(self, profile: str) -> bool:
        """Remove a key, and return whether there was one. The file goes with the last one."""
        present = self._attempt("read", lambda: profile in self._load_or_quarantine())
        if present or self._attempt("read", lambda: fs.leftovers(self.path)):
            self._attempt("changed", lambda: self._change(profile, None))
        return present

    def names(self) -> list[str]:
        """Return the names under which keys are stored."""
        return self._attempt("read", lambda: list(self._load_or_quarantine()))

    def _attempt(self, action: str, act: Callable[[], T]) -> T:
        outcome = self._run(action, act)
        # Raised here and not where it happened: there, the traceback would carry the content of the file.
        if isinstance(outcome, CredentialStoreError):
            raise outcome
        return outcome

    def _run(self, action: str, act: Callable[[], T]) -> T | CredentialStoreError:
        try:
            return act()
        except CredentialStoreError as error:
            return error.with_traceback(None)
        except OSError as error:
            return CredentialStoreError(
                f"The credentials file {self.path} cannot be {action}: {error.strerror or error}.",
                hint="Check free space and permissions of its folder, or set NIMBUS_SDK_HOME to another one. "
                "Without any store, NIMBUS_SDK_CREDENTIAL_STORE=none and NIMBUS_API_KEY work.",
            )
        except BaseException as error:  # noqa: BLE001
            # Ctrl-C, above all; the frames below hold the content of the file as well.
            raise error.with_traceback(None)  # noqa: B904

    def _change(self, profile: str, fields: dict[str, str] | None) -> None:
        with self._exclusive():
            # Where the file system's locks do nothing, another process may have replaced the file meanwhile.
            for _ in range(_CHANGE_TRIES):
                wanted = self._load_or_quarantine_locked()
                wanted.pop(profile, None)
                if fields is not None:
                    wanted[profile] = fields
                # ... and may have swept our temporary file away.
                with suppress(FileNotFoundError):
                    self._replace(wanted)
                if self._load() == wanted:
                    return
        raise CredentialStoreError(
            f"Other processes keep changing {self.path}.", hint="Run it again when they are done."
        )

    def _load_or_quarantine(self) -> dict[str, object]:
        keys = self._load()
        if keys is not None:
            return keys
        with self._exclusive():
            return self._load_or_quarantine_locked()

    def _load_or_quarantine_locked(self) -> dict[str, object]:
        keys = self._load()
        if keys is not None:
            return keys
        aside = fs.quarantine(self.path)
        raise CredentialStoreError(
            f"The credentials file {self.path} is damaged. It was set aside, unchanged, as {aside}.",
            hint="Look there for keys that can be saved, then save the key again with "
            f"`{self._kind.save_command}`.",
        )

    def _load(self) -> dict[str, object] | None:
        try:
            fs.make_file_private(self.path)
        except FileNotFoundError:
            return {}
        content = fs.read(self.path)
        try:
            keys = json.loads(b"{}" if content is None else content)
        except (ValueError, RecursionError):
            return None
        return keys if isinstance(keys, dict) else None

    def _replace(self, keys: dict[str, object]) -> None:
        # A writer that was killed leaves a file with keys in it, which nobody else would ever remove.
        for beside in fs.leftovers(self.path):
            fs.remove(beside)
        if not keys:
            fs.remove(self.path)
            return
        fs.write_private(self.path, json.dumps(keys, indent=2, sort_keys=True).encode() + b"\n")

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with Lock(f"{self.path}.lock") as lock:
            try:
                lock.acquire(_WAIT_SECONDS)
            except TimeoutError:
                raise CredentialStoreError(
                    f"Another process has been changing {self.path} for more than {_WAIT_SECONDS:g} s.",
                    hint="Run it again when that one is done.",
                ) from None
            yield
