"""Authentication as data: a header, its prefix, and the one origin that may see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.settings import origin


@dataclass(frozen=True, slots=True)
class HeaderAuth:
    """``X-API-Key``, ``Authorization: Bearer`` and ``api-key`` are three values of this.

    Args:
        name: Header name.
        secret: What it carries; never shown.
        origin: Scheme, host and port that may receive it, from :func:`nimbus_sdk.settings.origin`.
        prefix: Text before the secret, such as ``"Bearer "``.

    Example:
        >>> auth = HeaderAuth("X-API-Key", "s3cret", "https://api.nimbusbci.com:443")
        >>> auth
        HeaderAuth(name='X-API-Key', origin='https://api.nimbusbci.com:443', prefix='')
        >>> auth.headers("https://api.nimbusbci.com/v1/models/list")
        {'X-API-Key': 's3cret'}
    """

    name: str
    secret: str = field(repr=False)
    origin: str
    prefix: str = ""

    def headers(self, url: str) -> dict[str, str]:
        """The header for a URL.

        Raises:
            ConfigurationError: The URL leads to another origin than the secret is meant for.
        """
        if origin(url) != self.origin:
            raise ConfigurationError(
                f"A credential for {self.origin} was about to go to {origin(url)}; it was not sent.",
                hint="Check NIMBUS_SDK_API_URL and NIMBUS_SDK_GITHUB_URL.",
            )
        return {self.name: f"{self.prefix}{self.secret}"}
