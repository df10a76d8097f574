"""The paths of every file that the SDK reads or writes, available as ``settings.paths``."""

from __future__ import annotations

import os
from dataclasses import dataclass

from nimbus_sdk.errors import ConfigurationError

APPLICATION = "nimbus-sdk"


@dataclass(frozen=True, slots=True)
class Paths:
    """The files and folders of one profile, below ``NIMBUS_SDK_HOME`` or the folders of the platform.

    Attributes:
        config: Folder of ``credentials.json``.
        data: Folder of ``core/`` and ``models/``.
        state: Folder of sessions, rejected keys, the secret of the seal, and locks.
        cache: Folder of unfinished downloads; may be deleted at any time.
        profile: Name of the account.

    Example:
        >>> Paths.of("/srv/nimbus", "default").session
        '/srv/nimbus/state/profiles/default/session.json'
    """

    config: str
    data: str
    state: str
    cache: str
    profile: str

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
        try:
            paths = cls._of_platform(profile)
        except RuntimeError:
            # Newer versions of platformdirs raise this, older ones return a path that starts with ~.
            paths = None
        if paths is None or not os.path.isabs(paths.state):
            raise ConfigurationError(
                "This user has no home folder, so nothing can be stored.",
                hint="Set NIMBUS_SDK_HOME to a folder that this user can write to.",
            )
        return paths

    @classmethod
    def _of_platform(cls, profile: str) -> Paths:
        import platformdirs

        return cls(
            config=platformdirs.user_config_dir(APPLICATION, appauthor=False),
            data=os.path.join(platformdirs.user_data_dir(APPLICATION, appauthor=False), "data"),
            state=os.path.join(platformdirs.user_state_dir(APPLICATION, appauthor=False), "state"),
            cache=platformdirs.user_cache_dir(APPLICATION, appauthor=False),
            profile=profile,
        )

    @property
    def credentials(self) -> str:
        """The keys of the file store: the only file that contains keys."""
        return os.path.join(self.config, "credentials.json")

    @property
    def seal(self) -> str:
        """The random secret of this installation."""
        return os.path.join(self.state, "seal.key")

    @property
    def session(self) -> str:
        """The session of the profile."""
        return os.path.join(self.state, "profiles", self.profile, "session.json")

    @property
    def next_session(self) -> str:
        """The session that becomes valid when the core of the same installation is the current one."""
        return os.path.join(self.state, "profiles", self.profile, "session.next.json")

    @property
    def last_seen(self) -> str:
        """The latest time at which this profile was used."""
        return os.path.join(self.state, "profiles", self.profile, "last-seen.json")

    @property
    def key_metadata(self) -> str:
        """The metadata of the stored key, readable without the key."""
        return os.path.join(self.state, "profiles", self.profile, "key.json")

    @property
    def rotation(self) -> str:
        """The state of an unfinished key rotation."""
        return os.path.join(self.state, "profiles", self.profile, "rotation.json")

    @property
    def audit(self) -> str:
        """The folder of the audit trail."""
        return os.path.join(self.state, "audit")

    @property
    def refused(self) -> str:
        """The folder of the records of rejected keys."""
        return os.path.join(self.state, "refused")

    def refusal(self, fingerprint: str, service: str) -> str:
        """Return the path of the record that one service rejected one key."""
        from hashlib import sha256

        return os.path.join(self.refused, f"{fingerprint}-{sha256(service.encode()).hexdigest()[:12]}.json")

    @property
    def keyring_breaker(self) -> str:
        """The record of a keyring that did not answer."""
        return os.path.join(self.state, "keyring.json")

    @property
    def lock(self) -> str:
        """The lock for install, refresh and every other change of stored files."""
        return os.path.join(self.state, "nimbus-sdk.lock")

    @property
    def core(self) -> str:
        """The folder of the installed versions of the core."""
        return os.path.join(self.data, "core")

    @property
    def core_pointer(self) -> str:
        """The pointer to the version in use."""
        return os.path.join(self.core, "current.json")

    @property
    def models(self) -> str:
        """The folder of downloaded models."""
        return os.path.join(self.data, "models")

    @property
    def downloads(self) -> str:
        """The folder of unfinished downloads."""
        return os.path.join(self.cache, "downloads")

    @property
    def usage(self) -> str:
        """The folder of usage events that are not yet reported."""
        return os.path.join(self.state, "profiles", self.profile, "usage")
