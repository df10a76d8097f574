"""The paths of all files and folders that the SDK stores, available as ``settings.paths``.

Files in the folders of audit trail, usage events, models, downloads and the core get their names from the
modules that write them. Temporary folders, and files that the caller names, are not listed here.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from nimbus_sdk.errors import ConfigurationError

APPLICATION = "nimbus-sdk"
_XDG_VARIABLES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


class _Below:
    """A path below one of the folders of ``Paths``; ``{profile}`` is the name of the profile."""

    __slots__ = ("_folder", "_parts")

    def __init__(self, folder: str, path: str) -> None:
        self._folder = folder
        self._parts = path.split("/")

    def __get__(self, paths: Paths, owner: type[Paths]) -> str:
        parts = [paths.profile if part == "{profile}" else part for part in self._parts]
        return os.path.join(getattr(paths, self._folder), *parts)


@dataclass(frozen=True, slots=True)
class Paths:
    """The files and folders of one profile, below ``NIMBUS_SDK_HOME`` or the folders of the platform.

    Attributes:
        config: Folder of ``credentials.json``.
        data: Folder of ``core/`` and ``models/``.
        state: Folder of sessions, rejected keys, the secret of the seal, and locks.
        cache: Folder of unfinished downloads; may be deleted at any time.
        profile: Name of the account.
        credentials: The keys of the file store: the only file that contains keys.
        profiles: The folder of all profiles and of the services' keys.
        profile_folder: The folder of this profile.
        session: The session of the profile's own key.
        next_session: The session that counts when the core of the same installation is the current one.
        dotenv_sessions: The folder of the sessions of keys from a ``.env``.
        last_seen: The latest time at which this profile was used.
        key_metadata: The metadata of the stored key, readable without the key.
        key_removal: The record that a key is still to be removed from the keyring.
        rotation: The state of an unfinished key rotation.
        usage: The folder of usage events that are not yet reported.
        seal: The random secret of this installation.
        rejected: The folder of the records of rejected keys.
        audit: The folder of the audit trail.
        keyring_breaker: The record of a keyring that did not answer.
        keyring_lock: The lock for asking the keyring, one process at a time.
        sandbox: Where the last sandbox that was started serves, for the commands that use it.
        lock: The lock for install, refresh and every other change of stored files.
        core: The folder of the installed versions of the core.
        core_pointer: The pointer to the version in use.
        models: The folder of downloaded models.
        downloads: The folder of unfinished downloads.

    Examples:
        >>> Paths.of("/srv/nimbus", "default").session
        '/srv/nimbus/state/profiles/default/session.json'
    """

    config: str
    data: str
    state: str
    cache: str
    profile: str

    credentials = _Below("config", "credentials.json")
    profiles = _Below("state", "profiles")
    profile_folder = _Below("state", "profiles/{profile}")
    session = _Below("state", "profiles/{profile}/session.json")
    next_session = _Below("state", "profiles/{profile}/session.next.json")
    dotenv_sessions = _Below("state", "profiles/{profile}/dotenv")
    last_seen = _Below("state", "profiles/{profile}/last-seen.json")
    key_metadata = _Below("state", "profiles/{profile}/key.json")
    key_removal = _Below("state", "profiles/{profile}/key-removal.json")
    rotation = _Below("state", "profiles/{profile}/rotation.json")
    usage = _Below("state", "profiles/{profile}/usage")
    seal = _Below("state", "seal.key")
    rejected = _Below("state", "refused")
    audit = _Below("state", "audit")
    keyring_breaker = _Below("state", "keyring.json")
    keyring_lock = _Below("state", "keyring.lock")
    sandbox = _Below("state", "sandbox.json")
    lock = _Below("state", "nimbus-sdk.lock")
    core = _Below("data", "core")
    core_pointer = _Below("data", "core/current.json")
    models = _Below("data", "models")
    downloads = _Below("cache", "downloads")

    @classmethod
    def of(cls, home: str | None, profile: str) -> Paths:
        """Return the paths below a folder, or below the folders of the platform for None; creates nothing.

        Raises:
            ConfigurationError: This user has no home folder, and no folder is set.
        """
        if home is not None:
            return cls(
                config=os.path.join(home, "config"),
                data=os.path.join(home, "data"),
                state=os.path.join(home, "state"),
                cache=os.path.join(home, "cache"),
                profile=profile,
            )
        import platformdirs

        try:
            paths = cls(
                config=platformdirs.user_config_dir(APPLICATION, appauthor=False),
                data=os.path.join(platformdirs.user_data_dir(APPLICATION, appauthor=False), "data"),
                state=os.path.join(platformdirs.user_state_dir(APPLICATION, appauthor=False), "state"),
                cache=platformdirs.user_cache_dir(APPLICATION, appauthor=False),
                profile=profile,
            )
        except RuntimeError:
            # Newer versions of platformdirs raise this, older ones return a path that starts with ~.
            paths = None
        for name in _XDG_VARIABLES:
            folder = os.environ.get(name, "").strip()
            if folder and not os.path.isabs(folder):
                message = f"{name} must be an absolute path, without quotation marks around it."
                raise ConfigurationError(message)
        if paths is None or not os.path.isabs(paths.state):
            raise ConfigurationError(
                "This user has no home folder, so nothing can be stored.",
                hint="Set NIMBUS_SDK_HOME to a folder that this user can write to.",
            )
        return paths

    @property
    def state_root(self) -> str:
        """The folder from which on others must not be able to change the state: the home of the SDK."""
        return os.path.dirname(self.state)

    @property
    def keyring_user(self) -> str:
        """The user of the entry in the keyring, which all homes share: any home but the default is named."""
        # Without any variable that moves it.
        default = os.path.join(os.path.expanduser("~"), ".local", "state", APPLICATION)
        if os.name == "nt" or sys.platform == "darwin":
            import platformdirs

            default = platformdirs.user_state_dir(APPLICATION, appauthor=False)
        state = os.path.realpath(self.state)
        if state == os.path.realpath(os.path.join(default, "state")):
            return self.profile
        from hashlib import sha256

        return f"{self.profile}@{sha256(os.fsencode(state)).hexdigest()[:12]}"

    def dotenv_session(self, fingerprint: str) -> str:
        """Return the path of the session of a key from a ``.env``."""
        return os.path.join(self.dotenv_sessions, f"{fingerprint}.json")

    def rejection(self, fingerprint: str, service: str) -> str:
        """Return the path of the record that one service rejected one key."""
        from hashlib import sha256

        return os.path.join(self.rejected, f"{fingerprint}-{sha256(service.encode()).hexdigest()[:12]}.json")
