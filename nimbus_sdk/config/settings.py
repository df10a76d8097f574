"""Settings: arguments, then the environment, then the nearest ``.env``, then the defaults.

A ``.env`` comes with a folder, and the folder perhaps from a stranger. So it may give a key and say how the
SDK behaves, and never where keys are sent, where the core comes from, or where anything is kept.

The offline path reads this module, so it imports nothing heavy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from nimbus_sdk.config.dotenv import dotenv_values, nearest_dotenv
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import ConfigurationError

KEY_VARIABLE = "NIMBUS_API_KEY"
DEFAULT_ORIGIN = "https://api.nimbusbci.com:443"
"""The origin of the default ``api_url``, spelled out: parsing URLs would slow down every start."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CREDENTIAL_STORES = ("keyring", "file", "none")
_NOT_FROM_DOTENV = frozenset(
    {
        "NIMBUS_SDK_API_KEY_FILE",
        "NIMBUS_SDK_API_URL",
        "NIMBUS_SDK_CORE_REPO",
        "NIMBUS_SDK_CREDENTIAL_STORE",
        "NIMBUS_SDK_GITHUB_URL",
        "NIMBUS_SDK_HOME",
        "NIMBUS_SDK_USAGE",
    }
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_NAME_LETTERS = frozenset(_LETTERS + "._-")
_URL_LETTERS = frozenset(_LETTERS + "._-~:/[]%")
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be configured, decided once and handed on whole.

    Attributes:
        api_url: Base URL of the Nimbus API, without a trailing slash.
        github_url: Base URL of the GitHub API, likewise.
        core_repo: ``owner/repo`` that publishes the core.
        home: One folder for all that the SDK keeps, or None for the platform's own folders.
        profile: Which account.
        offline: Not one network call, whatever is asked.
        credential_store: ``keyring``, ``file``, ``none``, or None to choose by what works.
        key_file: A mounted file that holds the key, or None.
        timeout: Seconds for one whole call, retries included.
        no_progress: No progress bars.
        usage: Report inferences to the service, in the background.
        dotenv: Path of the ``.env`` that was read, or None.

    Example:
        >>> Settings.load(environ={"NIMBUS_SDK_PROFILE": "lab"}, directory="/").profile
        'lab'
    """

    api_url: str = "https://api.nimbusbci.com"
    github_url: str = "https://api.github.com"
    core_repo: str = "nimbusbci/NimbusSDKCore"
    home: str | None = None
    profile: str = "default"
    offline: bool = False
    credential_store: str | None = None
    key_file: str | None = None
    timeout: float = 30.0
    no_progress: bool = False
    usage: bool = False
    dotenv: str | None = None

    @classmethod
    def load(
        cls,
        *,
        environ: Mapping[str, str] | None = None,
        directory: str | None = None,
        **given: object,
    ) -> Settings:
        """Resolve every setting.

        Args:
            environ: The environment; ``os.environ`` where left out.
            directory: Where the search for ``.env`` starts; the working directory where left out.
            **given: Settings by field name that win over everything; None means not given.

        Raises:
            ConfigurationError: A value cannot be used; the message names the variable.
        """
        environ = os.environ if environ is None else environ
        unknown = set(given) - set(_TABLE)
        if unknown:
            raise ConfigurationError(f"Unknown setting: {', '.join(sorted(unknown))}.")
        dotenv = nearest_dotenv(directory)
        texts = {**_from_folder(dotenv), **environ}
        chosen: dict[str, object] = {}
        for name, (variable, read) in _TABLE.items():
            text = texts.get(variable, "").strip()
            if text:
                chosen[name] = read(text, variable)
        for name, value in given.items():
            if value is not None:
                chosen[name] = _checked(name, value)
        return cls(dotenv=dotenv, **chosen)  # type: ignore[arg-type]

    @cached_property
    def paths(self) -> Paths:
        """Every path that these settings lead to.

        Raises:
            ConfigurationError: This user has no home folder, and no folder was named.
        """
        return Paths.of(self.home, self.profile)

    def for_service(self, entry: str) -> Settings:
        """The same settings for another system's key, which is stored beside the profile's own.

        Args:
            entry: The name that the key is stored under, such as ``nimbus-os.production``.

        Example:
            >>> Settings(home="/srv/nimbus").for_service("neuroai").paths.key_card
            '/srv/nimbus/state/profiles/default@neuroai/key.json'
        """
        # No profile has an @ in its name, so no entry is ever taken for one.
        return replace(self, profile=f"{self.profile}@{entry}")

    def each_other_profile(self) -> Iterator[Settings]:
        """The same settings for every other profile that has stored something here."""
        try:
            names = sorted(os.listdir(os.path.join(self.paths.state, "profiles")))
        except OSError:
            return
        for name in names:
            if name != self.profile and "@" not in name:
                yield replace(self, profile=name)


def _from_folder(path: str | None) -> dict[str, str]:
    """What a ``.env`` may decide; for the rest of it there is a warning in the log."""
    values = dotenv_values(path)
    refused = sorted(name for name in values if name in _NOT_FROM_DOTENV)
    if refused:
        import logging

        logging.getLogger("nimbus_sdk").warning(
            "%s in %s counts only in the environment and was passed over.", ", ".join(refused), path
        )
    return {name: value for name, value in values.items() if name not in _NOT_FROM_DOTENV}


def origin(url: str) -> str:
    """Scheme, host and port of a URL: what a credential is bound to.

    Example:
        >>> origin("https://API.nimbusbci.com/v1/auth")
        'https://api.nimbusbci.com:443'
    """
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    host = (parts.hostname or "").lower()
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a host, as it stands in a URL but without brackets, is this machine and nothing else."""
    # What a zone behind % means is each system's own affair.
    if host in LOOPBACK or "%" in host:
        return host in LOOPBACK
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def base_url(text: str, variable: str) -> str:
    """Check a base URL: https, or http for loopback only; no user, query or fragment.

    Raises:
        ConfigurationError: It is none of these.
    """
    from urllib.parse import urlsplit

    address = text.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not _URL_LETTERS.issuperset(address):
        raise ConfigurationError(f"{variable} must be https://host[:port][/path], with nothing else in it.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigurationError(
            f"{variable} must start with https:// (anything else would send the key unprotected); "
            "plain http is allowed for this machine's own loopback addresses only."
        )
    return address


def _switch(text: str, variable: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise ConfigurationError(f"{variable} must be 1 or 0.")
    return word in _YES


def _seconds(text: str, variable: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise ConfigurationError(f"{variable} must be seconds, more than 0 and less than 86400.")
    return seconds


def _profile(text: str, variable: str) -> str:
    name = text.strip()
    if not (0 < len(name) <= 64) or not _NAME_LETTERS.issuperset(name) or name.startswith("."):
        raise ConfigurationError(f"{variable} must be 1 to 64 letters, digits, dots, dashes or underscores.")
    if name.startswith("nbci_"):
        raise ConfigurationError(f"{variable} names an account; what it holds looks like a key.")
    return name


def _repo(text: str, variable: str) -> str:
    parts = text.strip().split("/")
    if len(parts) != 2 or not all(part.strip(".") and _NAME_LETTERS.issuperset(part) for part in parts):
        raise ConfigurationError(f"{variable} must be owner/repo.")
    return text.strip()


def _store(text: str, variable: str) -> str:
    if text.strip().lower() not in CREDENTIAL_STORES:
        raise ConfigurationError(f"{variable} must be one of {', '.join(CREDENTIAL_STORES)}.")
    return text.strip().lower()


def _path(text: str, variable: str) -> str:
    if not text.strip() or "\0" in text:
        raise ConfigurationError(f"{variable} must be a path.")
    return os.path.abspath(os.path.expanduser(text.strip()))


def _checked(name: str, value: object) -> object:
    _, read = _TABLE[name]
    return value if read is _switch and isinstance(value, bool) else read(str(value), name)


_TABLE = {
    "api_url": ("NIMBUS_SDK_API_URL", base_url),
    "github_url": ("NIMBUS_SDK_GITHUB_URL", base_url),
    "core_repo": ("NIMBUS_SDK_CORE_REPO", _repo),
    "home": ("NIMBUS_SDK_HOME", _path),
    "profile": ("NIMBUS_SDK_PROFILE", _profile),
    "offline": ("NIMBUS_SDK_OFFLINE", _switch),
    "credential_store": ("NIMBUS_SDK_CREDENTIAL_STORE", _store),
    "key_file": ("NIMBUS_SDK_API_KEY_FILE", _path),
    "timeout": ("NIMBUS_SDK_TIMEOUT", _seconds),
    "no_progress": ("NIMBUS_SDK_NO_PROGRESS", _switch),
    "usage": ("NIMBUS_SDK_USAGE", _switch),
}
