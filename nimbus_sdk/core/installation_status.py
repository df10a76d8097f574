"""Check whether the installed core can be used."""

from __future__ import annotations

from dataclasses import dataclass

from nimbus_sdk import errors
from nimbus_sdk.account.session import AuthSession, current_session
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel import loader, manifest, verify
from nimbus_sdk.errors.printable import printable_texts


@printable_texts
@dataclass(frozen=True, slots=True)
class InstallationStatus:
    """Whether the core can be used; true if it is installed, undamaged and loads.

    Attributes:
        installed: Whether there is a core at all.
        version: Its version, or None.
        path: Its folder, or None.
        session: The valid session, or None.
        problems: Everything that is wrong, one line each.
        hint: What to do next; empty if nothing is wrong.
    """

    installed: bool
    version: str | None
    path: str | None
    session: AuthSession | None
    problems: tuple[str, ...]
    hint: str = ""

    def __bool__(self) -> bool:
        return self.installed and not self.problems

    def __str__(self) -> str:
        from nimbus_sdk.display import tables

        return tables.format_fields(*self._table())

    def _repr_html_(self) -> str:
        from nimbus_sdk.display import tables

        return tables.fields_html(*self._table())

    def _table(self) -> tuple[str, list[tuple[str, object]]]:
        rows: list[tuple[str, object]] = [
            ("version", self.version),
            ("path", self.path),
            ("session", self.session),
            *(("problem", problem) for problem in self.problems),
        ]
        if self:
            return "Nimbus core: usable", rows
        return "Nimbus core: not usable", [*rows, ("to do", self.hint)]


def check_installation(*, profile: str | None = None) -> InstallationStatus:
    """Check the pointer, the hash of every file, and whether the core loads; needs no network.

    Examples:
        >>> from nimbus_sdk import check_installation
        >>> if not check_installation():  # doctest: +SKIP
        ...     print("run nimbus_sdk.install_core(…)")
    """
    settings = Settings.load(profile=profile)
    paths = settings.paths
    try:
        core = manifest.find_core(paths.core)
    except errors.CoreError as error:
        session = _session(settings)
        return InstallationStatus(True, None, paths.core, session, (error.message,), error.hint)
    # Another process may be installing both: the session is there once the core is.
    session = _session(settings)
    if core is None:
        absent = ("The core is not installed.",)
        return InstallationStatus(False, None, None, session, absent, errors.CoreNotInstalledError.advice)
    problems, hint = verify.check_installed(core.folder), errors.CoreIntegrityError.advice
    if not problems:
        try:
            loader.load()
            hint = ""
        except errors.CoreError as error:
            problems, hint = (error.message,), error.hint
    return InstallationStatus(True, core.version, core.folder, session, problems, hint)


def _session(settings: Settings) -> AuthSession | None:
    try:
        return current_session(profile=settings.profile)
    except (errors.SessionError, errors.InvalidKeyFormatError):
        return None
