"""Find the release on GitHub, and the wheel in it that fits this interpreter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.github import open_asset, request_release
from nimbus_sdk.core.wheel.protocol import DISTRIBUTION
from nimbus_sdk.core.wheel.requirements import parse_requirement, parse_specifiers, parse_version
from nimbus_sdk.errors import (
    ConfigurationError,
    CoreDownloadError,
    CoreIncompatibleError,
    CoreIntegrityError,
    ResponseFormatError,
)
from nimbus_sdk.transport.flow import Flow, Response

if TYPE_CHECKING:
    from packaging.version import Version
    from pydantic import SecretStr

MOST_ASSETS = 1_000
MOST_BYTES = 2 * 2**30
MOST_NOTES = 128 * 1024
CHECKSUMS = "SHA256SUMS"
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
_CHECKSUM_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](\S.*)")
_BEFORE_LINE = " \t>*`-"
_AFTER_LINE = " \t`"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of a release, with GitHub's identifier and its digest ``sha256:…``, if there is one."""

    id: int
    name: str
    size: int
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A published version of the core, without the tag's ``v``.

    Its requirements are those in the release notes, one per line as ``Requires-Dist: numpy>=1.26``, so that a
    missing one is reported before the download; the wheel's METADATA decides in the end.
    """

    version: str
    assets: tuple[Asset, ...]
    requires: tuple[str, ...] = ()
    requires_python: str | None = None


def find_release(settings: Settings, token: SecretStr, version: str | None = None) -> Flow[Release]:
    """Request the release of a version, or the latest one if omitted.

    Source: GitHub REST API, "Releases" (version 2022-11-28).

    Raises:
        ConfigurationError: The version is not valid (PEP 440).
        CoreDownloadError: GitHub refused, has no such release, or sent something else.
    """
    wanted = None if version is None else version_of(version)
    path = "releases/latest" if wanted is None else f"releases/tags/v{quote(str(wanted), safe='')}"
    subject = "release of the core" if wanted is None else f"release {wanted} of the core"
    release = _release((yield from request_release(settings, token, path, subject)))
    if wanted is not None and version_of(release.version) != wanted:
        raise CoreDownloadError(f"GitHub sent release {release.version} instead of {wanted}.")
    return release


def choose_wheel(release: Release) -> Asset:
    """Return the wheel of a release that fits the running interpreter best.

    Raises:
        CoreIncompatibleError: None fits; the message lists the published ones.
    """
    from packaging.tags import sys_tags
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    order = {tag: rank for rank, tag in enumerate(sys_tags())}
    ranked = []
    published = []
    for asset in release.assets:
        try:
            name, version, build, tags = parse_wheel_filename(asset.name)
        except InvalidWheelFilename:
            continue
        if name == canonicalize_name(DISTRIBUTION) and str(version) == release.version:
            published.append(asset.name)
            ranks = [order[tag] for tag in tags if tag in order]
            if ranks:
                ranked.append((min(ranks), -build[0] if build else 1, asset.id, asset))
    if ranked:
        return min(ranked)[-1]
    listed = "".join(f"\n  - {name}" for name in published) or " no wheel at all"
    raise CoreIncompatibleError(
        f"No wheel of core {release.version} fits this interpreter, which needs {next(iter(order))} "
        f"or a more general one. Published:{listed}\n",
        hint="Use a Python version and platform from that list, or install another version of the core.",
    )


def expected_digest(settings: Settings, release: Release, asset: Asset, token: SecretStr) -> Flow[str]:
    """Return the SHA-256 that an asset must have, in lower-case hexadecimal.

    It is GitHub's ``digest``; for assets without one, the line in the release's ``SHA256SUMS``.

    Raises:
        CoreIntegrityError: There is none, so the asset is not used.
    """
    digest = _DIGEST.fullmatch(asset.digest or "")
    if digest is not None:
        return digest[1].lower()
    sums = next((other for other in release.assets if other.name == CHECKSUMS), None)
    if sums is not None:
        answer = yield from open_asset(settings, token, sums.id, name="checksums", subject=CHECKSUMS)
        text = answer.body.decode("utf-8", "replace")
        lines = [_CHECKSUM_LINE.fullmatch(line.strip()) for line in text.splitlines()]
        digests = {line[1].lower() for line in lines if line is not None and line[2] == asset.name}
        if len(digests) == 1:
            return digests.pop()
    raise CoreIntegrityError(
        f"No SHA-256 is published for {asset.name}, so it is not downloaded.",
        hint="The release has no checksums. Install another version of the core.",
    )


def version_of(text: str) -> Version:
    """Parse a version of the core.

    Raises:
        ConfigurationError: The text is not a version.
    """
    version = parse_version(text)
    if version is None:
        raise ConfigurationError(
            f"{text[:80]!r} is not a version of the core.", hint="Write it like 1.2.0, or omit it."
        )
    return version


def _release(answer: Response) -> Release:
    try:
        fields = answer.json()
    except ResponseFormatError as error:
        raise CoreDownloadError(error.message, hint=error.hint) from error
    if not isinstance(fields, dict):
        raise _invalid("it is not an object")
    tag, assets, notes = fields.get("tag_name"), fields.get("assets"), fields.get("body")
    if not isinstance(tag, str) or len(tag) > 100:
        raise _invalid("tag_name is not text")
    if not isinstance(assets, list) or len(assets) > MOST_ASSETS:
        raise _invalid("assets is not a list of a sensible length")
    version = parse_version(tag)
    if version is None:
        raise _invalid(f"tag_name {tag!r} is not a version")
    requires, requires_python = _requirements_in(notes if isinstance(notes, str) else "")
    return Release(str(version), tuple(_assets(assets)), requires, requires_python)


def _assets(listed: list[object]) -> Iterator[Asset]:
    for fields in listed:
        if not isinstance(fields, dict):
            raise _invalid("an asset is not an object")
        number, name, size, digest = (fields.get(name) for name in ("id", "name", "size", "digest"))
        if fields.get("state", "uploaded") != "uploaded":
            continue
        if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
            raise _invalid("the id of an asset is not a number")
        if not isinstance(name, str) or not 0 < len(name) <= 255 or not name.isprintable():
            raise _invalid("the name of an asset is not a file name")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MOST_BYTES:
            raise _invalid(f"the size of {name} is not a number of bytes up to {MOST_BYTES}")
        if digest is not None and not isinstance(digest, str):
            raise _invalid(f"the digest of {name} is not text")
        yield Asset(number, name, size, digest)


def _invalid(reason: str) -> CoreDownloadError:
    return CoreDownloadError(
        f"GitHub's response is not a release as its API documents it: {reason}.",
        hint="A captive portal or a proxy may have responded instead of GitHub.",
    )


def _requirements_in(notes: str) -> tuple[tuple[str, ...], str | None]:
    requires, requires_python = [], None
    # In notes written by people, a line that is not a requirement is prose.
    for line in notes[:MOST_NOTES].splitlines():
        kind, _, text = line.lstrip(_BEFORE_LINE).rstrip(_AFTER_LINE).partition(":")
        if kind == "Requires-Dist" and (needed := parse_requirement(text.strip())) is not None:
            requires.append(str(needed))
        if kind == "Requires-Python" and (versions := parse_specifiers(text.strip())) is not None:
            requires_python = str(versions)
    return tuple(requires), requires_python
