"""Which wheel to fetch: what GitHub says is published, and what of it fits this interpreter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel import pep_parsing
from nimbus_sdk.core.wheel.github import ask, open_asset
from nimbus_sdk.core.wheel.protocol import DISTRIBUTION
from nimbus_sdk.errors import (
    ConfigurationError,
    CoreDownloadError,
    CoreIncompatibleError,
    CoreIntegrityError,
    ResponseFormatError,
)
from nimbus_sdk.transport.flow import Flow, Response

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.version import Version
    from pydantic import SecretStr

MOST_ASSETS = 1_000
MOST_BYTES = 2 * 2**30
MOST_NOTES = 128 * 1024
CHECKSUMS = "SHA256SUMS"
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
_CHECKSUM_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](\S.*)")
_BEFORE_A_NOTE = " \t>*`-"
_AFTER_A_NOTE = " \t`"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of a release.

    Attributes:
        id: GitHub's number of it.
        name: File name.
        size: Bytes.
        digest: ``sha256:…`` as GitHub tells it, or None.
    """

    id: int
    name: str
    size: int
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A published version of the core.

    Attributes:
        version: Without the tag's ``v``.
        assets: Its files.
        requires: Requirements told in the release notes, one a line as ``Requires-Dist: numpy>=1.26``, so
            that a missing one is named before anything is downloaded; the wheel's own METADATA is what
            counts in the end.
        requires_python: The notes' ``Requires-Python``, or None.
    """

    version: str
    assets: tuple[Asset, ...]
    requires: tuple[str, ...] = ()
    requires_python: str | None = None


def find_release(settings: Settings, token: SecretStr, version: str | None = None) -> Flow[Release]:
    """What is published under a version, or latest where none is named.

    Source: GitHub REST API, "Releases" (version 2022-11-28).

    Raises:
        ConfigurationError: The version is not one (PEP 440).
        CoreDownloadError: GitHub refused, has no such release, or answered something else.
    """
    wanted = None if version is None else version_of(version)
    path = "releases/latest" if wanted is None else f"releases/tags/v{quote(str(wanted), safe='')}"
    subject = "release of the core" if wanted is None else f"release {wanted} of the core"
    answer = yield from ask(settings, token, path, name="release", subject=subject)
    release = _release(answer)
    if wanted is not None and version_of(release.version) != wanted:
        raise CoreDownloadError(f"GitHub gave release {release.version} where {wanted} was asked for.")
    return release


def choose_wheel(release: Release) -> Asset:
    """The wheel of a release that fits the running interpreter best.

    Raises:
        CoreIncompatibleError: None fits; the message lists what is published and what is wanted.
    """
    from packaging.tags import sys_tags

    order = {tag: rank for rank, tag in enumerate(sys_tags())}
    ranked = []
    published = []
    for asset, build, tags in _wheels(release):
        published.append(asset.name)
        ranks = [order[tag] for tag in tags if tag in order]
        if ranks:
            ranked.append((min(ranks), -build, asset.id, asset))
    if ranked:
        return min(ranked)[-1]
    listed = "".join(f"\n  - {name}" for name in published) or " no wheel at all"
    raise CoreIncompatibleError(
        f"No wheel of core {release.version} fits this interpreter, which wants {next(iter(order))} "
        f"or a more general one. Published:{listed}\n",
        hint="Use a Python version and platform from that list, or ask for another version of the core.",
    )


def expected_digest(settings: Settings, release: Release, asset: Asset, token: SecretStr) -> Flow[str]:
    """The SHA-256 that an asset must have, in lower-case hexadecimal.

    GitHub's own ``digest``; for assets without one, the line of the release's ``SHA256SUMS``.

    Raises:
        CoreIntegrityError: Nobody tells one, so the asset is not used.
    """
    told = _DIGEST.fullmatch(asset.digest or "")
    if told is not None:
        return told[1].lower()
    sums = next((other for other in release.assets if other.name == CHECKSUMS), None)
    if sums is not None:
        answer = yield from open_asset(settings, token, sums.id, name="checksums", subject=CHECKSUMS)
        text = answer.body.decode("utf-8", "replace")
        lines = [_CHECKSUM_LINE.fullmatch(line.strip()) for line in text.splitlines()]
        found = {line[1].lower() for line in lines if line is not None and line[2] == asset.name}
        if len(found) == 1:
            return found.pop()
    raise CoreIntegrityError(
        f"Nothing tells which SHA-256 {asset.name} must have, so it is not downloaded.",
        hint="The release was published without checksums: ask for another version of the core.",
    )


def version_of(text: str) -> Version:
    """The version of the core that a person names.

    Raises:
        ConfigurationError: It is none.
    """
    found = pep_parsing.version(text)
    if found is None:
        raise ConfigurationError(
            f"{text[:80]!r} is not a version of the core.", hint="Give it as 1.2.0, or leave it out."
        )
    return found


def _release(answer: Response) -> Release:
    try:
        fields = answer.json()
    except ResponseFormatError as error:
        raise CoreDownloadError(error.message, hint=error.hint) from error
    if not isinstance(fields, dict):
        raise _unreadable("it is no object")
    tag, assets, notes = fields.get("tag_name"), fields.get("assets"), fields.get("body")
    if not isinstance(tag, str) or len(tag) > 100:
        raise _unreadable("tag_name is no text")
    if not isinstance(assets, list) or len(assets) > MOST_ASSETS:
        raise _unreadable("assets is no list of a sensible length")
    try:
        version = str(version_of(tag))
    except ConfigurationError:
        raise _unreadable(f"tag_name {tag!r} is no version") from None
    requires, requires_python = _noted(notes if isinstance(notes, str) else "")
    return Release(version, tuple(_assets(assets)), requires, requires_python)


def _assets(listed: list[object]) -> Iterator[Asset]:
    for fields in listed:
        if not isinstance(fields, dict):
            raise _unreadable("an asset is no object")
        number, name, size, digest = (fields.get(name) for name in ("id", "name", "size", "digest"))
        if fields.get("state", "uploaded") != "uploaded":
            continue
        if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
            raise _unreadable("the id of an asset is no number")
        if not isinstance(name, str) or not 0 < len(name) <= 255 or not name.isprintable():
            raise _unreadable("the name of an asset is no file name")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MOST_BYTES:
            raise _unreadable(f"the size of {name} is no number of bytes up to {MOST_BYTES}")
        if digest is not None and not isinstance(digest, str):
            raise _unreadable(f"the digest of {name} is no text")
        yield Asset(number, name, size, digest)


def _unreadable(reason: str) -> CoreDownloadError:
    return CoreDownloadError(
        f"GitHub's answer is not a release as its API documents it: {reason}.",
        hint="Something between here and GitHub may have answered in its place (captive portal, proxy).",
    )


def _noted(notes: str) -> tuple[tuple[str, ...], str | None]:
    requires, requires_python = [], None
    # Notes are written by people: a line that is no requirement is prose.
    for line in notes[:MOST_NOTES].splitlines():
        kind, _, text = line.lstrip(_BEFORE_A_NOTE).rstrip(_AFTER_A_NOTE).partition(":")
        if kind == "Requires-Dist" and (needed := pep_parsing.requirement(text.strip())) is not None:
            requires.append(str(needed))
        if kind == "Requires-Python" and (versions := pep_parsing.specifiers(text.strip())) is not None:
            requires_python = str(versions)
    return tuple(requires), requires_python


def _wheels(release: Release) -> Iterator[tuple[Asset, int, frozenset[Tag]]]:
    """Wheels of the core in a release, with the number of their build and their tags."""
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    for asset in release.assets:
        try:
            name, version, build, tags = parse_wheel_filename(asset.name)
        except InvalidWheelFilename:
            continue
        if name == canonicalize_name(DISTRIBUTION) and str(version) == release.version:
            yield asset, build[0] if build else -1, tags
