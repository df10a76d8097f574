"""What is wrong on this machine: one line for each check, with cause and fix.

Examples:
    >>> from nimbus_sdk.doctor import diagnose
    >>> diagnosis = diagnose()  # doctest: +SKIP
    >>> [finding for finding in diagnosis.findings if finding.verdict == "fault"]  # doctest: +SKIP
    []
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nimbus_sdk.account.refresh import refresh_flow
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.installation_status import check_installation
from nimbus_sdk.doctor import local_checks
from nimbus_sdk.doctor.finding import Diagnosis, Finding, ok, problem
from nimbus_sdk.doctor.machine_status import find_session
from nimbus_sdk.doctor.network_checks import check_network
from nimbus_sdk.errors import NimbusError
from nimbus_sdk.transport.flow import Flow, run_blocking
from nimbus_sdk.transport.sync_async import Prepared, make_pair

__all__ = ["Diagnosis", "Finding", "diagnose", "diagnose_async"]


def _diagnose(*, profile: str | None = None, offline_for: timedelta | None = None) -> Prepared[Diagnosis]:
    """Check everything that installing, renewing and starting offline depend on.

    Args:
        profile: Which account.
        offline_for: How long this machine will be without network. The session is renewed now if it would
            not last; that it will not last is a fault.

    Raises:
        ConfigurationError: A setting is invalid, so nothing can be checked.
    """
    settings = Settings.load(profile=profile)
    return settings, _diagnose_flow(settings, offline_for)


diagnose, diagnose_async = make_pair(_diagnose)


def _diagnose_flow(settings: Settings, offline_for: timedelta | None) -> Flow[Diagnosis]:
    # First: reading a key or a session makes its file private and sets a damaged one aside.
    permissions = yield from run_blocking(lambda: list(local_checks.check_permissions(settings.paths)))
    session, error = yield from run_blocking(lambda: find_session(settings))
    offline_time: list[Finding] = []
    if offline_for is not None:
        finding, renewal_tried = yield from _check_offline_time(settings, session, offline_for)
        offline_time.append(finding)
        if renewal_tried:
            renewed, renewed_error = yield from run_blocking(lambda: find_session(settings))
            # Without a session before and after, the first error says best what is wrong.
            if session is not None or renewed is not None:
                session, error = renewed, renewed_error
    installation = yield from run_blocking(lambda: check_installation(profile=settings.profile))
    usable = bool(installation) and session is not None
    findings = [local_checks.check_core(installation), local_checks.check_session(session, error)]
    findings += offline_time
    findings += yield from run_blocking(lambda: local_checks.check_stores(settings, usable))
    findings += permissions
    findings += yield from check_network(settings, usable)
    return Diagnosis(tuple(findings), usable, None if session is None else session.expires_at)


def _check_offline_time(
    settings: Settings, session: SessionRecord | None, offline_for: timedelta
) -> Flow[tuple[Finding, bool]]:
    """Check that the session lasts long enough; also return whether a renewal was tried for it."""
    try:
        until = datetime.now(UTC) + max(offline_for, timedelta())
    except OverflowError:
        until = datetime.max.replace(tzinfo=UTC)
    renewal_tried = not _lasts(session, until) and not settings.offline
    failure = ""
    if renewal_tried:
        try:
            session = yield from refresh_flow(settings)
        except NimbusError as error:
            failure = f"; it was not renewed: {error.message}"
    expires_at = None if session is None else session.expires_at
    end = f"{expires_at:%Y-%m-%d %H:%M} UTC" if expires_at else ""
    if _lasts(session, until):
        lasts = f"until {end}" if end else "as long as the key is valid"
        return ok("offline time", f"the session lasts {lasts}"), renewal_tried
    cause = f"the session ends {end}" if end else "there is no session"
    cause = f"{cause}, before {until:%Y-%m-%d %H:%M} UTC{failure}"
    fix = "Ask for a key that is valid longer, or plan to be online before the session ends."
    return problem("offline time", cause, fix, fatal=True), renewal_tried


def _lasts(session: SessionRecord | None, until: datetime) -> bool:
    return session is not None and not session.is_expired(until)
