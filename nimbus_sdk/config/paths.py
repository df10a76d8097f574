"""Every path the SDK touches, reached as ``settings.paths``."""

from __future__ import annotations

import os
from dataclasses import dataclass

from nimbus_sdk.errors import ConfigurationError

APPLICATION = "nimbus-sdk"


@dataclass(frozen=True, slots=True)
class Paths:
    """Where files are stored: below ``NIMBUS_SDK_HOME``, or in the platform's own folders.

    Attributes:
        config: Holds ``credentials.json``.
        data: Holds ``core/`` and ``models/``.
        state: Holds sessions, refusals, the seal's secret, locks.
        cache: Holds downloads under way; may be emptied at any time.
        profile: Which account's session is meant.

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
        """The paths below a folder, or below the platform's folders for None; none of them is created.

        Raises:
            ConfigurationError: This user has no home folder, and no folder was named.
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
            # Newer versions of platformdirs raise this where older ones return a path that starts with ~.
            paths = None
        if paths is None or not os.path.isabs(paths.state):
            raise ConfigurationError(
                "This user has no home folder, so there is no place to store anything.",
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
        """The file store's keys: the only file that ever holds one."""
        return os.path.join(self.config, "credentials.json")

    @property
    def seal(self) -> str:
        """The random secret of this installation."""
        return os.path.join(self.state, "seal.key")

    @property
    def session(self) -> str:
        """The profile's session."""
        return os.path.join(self.state, "profiles", self.profile, "session.json")

    @property
    def next_session(self) -> str:
        """The session that counts once the core it came with is the current one."""
        return os.path.join(self.state, "profiles", self.profile, "session.next.json")

    @property
    def last_seen(self) -> str:
        """The latest time that this profile's clock has shown."""
        return os.path.join(self.state, "profiles", self.profile, "last-seen.json")

    @property
    def key_card(self) -> str:
        """What may be known of the stored key without reading it."""
        return os.path.join(self.state, "profiles", self.profile, "key.json")

    @property
    def rotation(self) -> str:
        """How far the change to a new key has come."""
        return os.path.join(self.state, "profiles", self.profile, "rotation.json")

    @property
    def audit(self) -> str:
        """The folder of the audit trail: who called which service when."""
        return os.path.join(self.state, "audit")

    @property
    def refused(self) -> str:
        """The folder of the notes of refused keys."""
        return os.path.join(self.state, "refused")

    def refusal(self, fingerprint: str, service: str) -> str:
        """The note that a service refused a key; what another one thinks of it is another note."""
        from hashlib import sha256

        return os.path.join(self.refused, f"{fingerprint}-{sha256(service.encode()).hexdigest()[:12]}.json")

    @property
    def keyring_breaker(self) -> str:
        """The memory of a keyring that did not answer."""
        return os.path.join(self.state, "keyring.json")

    @property
    def lock(self) -> str:
        """The lock for install, refresh and all that changes what is kept."""
        return os.path.join(self.state, "nimbus-sdk.lock")

    @property
    def core(self) -> str:
        """The folder of all installed versions of the core."""
        return os.path.join(self.data, "core")

    @property
    def core_pointer(self) -> str:
        """The pointer to the version in use."""
        return os.path.join(self.core, "current.json")

    @property
    def models(self) -> str:
        """Downloaded models."""
        return os.path.join(self.data, "models")

    @property
    def downloads(self) -> str:
        """Downloads under way."""
        return os.path.join(self.cache, "downloads")

    @property
    def usage(self) -> str:
        """The folder of events that wait to be reported."""
        return os.path.join(self.state, "profiles", self.profile, "usage")
