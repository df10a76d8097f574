"""What is wrong on this machine, one line each, with a cause and a fix.

Example:
    >>> from nimbus_sdk.doctor import diagnose
    >>> diagnosis = diagnose()  # doctest: +SKIP
    >>> [finding for finding in diagnosis.findings if finding.verdict == "fault"]  # doctest: +SKIP
    []
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nimbus_sdk.account.flows import refresh_flow
from nimbus_sdk.account.record import SessionRecord
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.status import check_installation
from nimbus_sdk.doctor import local_checks
from nimbus_sdk.doctor.finding import Diagnosis, Finding, ok, trouble
from nimbus_sdk.doctor.network_checks import network
from nimbus_sdk.errors import NimbusError
from nimbus_sdk.transport.driver import run, run_async
from nimbus_sdk.transport.flow import Flow, run_blocking

__all__ = ["Diagnosis", "Finding", "diagnose", "diagnose_async"]


def diagnose(*, profile: str | None = None, offline_for: timedelta | None = None) -> Diagnosis:
    """Look at everything that an install, a renewal and an offline start depend on.

    Args:
        profile: Which account.
        offline_for: How long this machine will be without network; the session is renewed now if it
            would not last, and it is a fault if it will not last all the same.

    Raises:
        ConfigurationError: A setting cannot be used, so nothing can be looked at.
    """
    settings = Settings.load(profile=profile)
    return run(settings, diagnose_flow(settings, offline_for))


async def diagnose_async(*, profile: str | None = None, offline_for: timedelta | None = None) -> Diagnosis:
    """The awaitable twin of :func:`diagnose`."""
    settings = Settings.load(profile=profile)
    return await run_async(settings, diagnose_flow(settings, offline_for))


def diagnose_flow(settings: Settings, offline_for: timedelta | None) -> Flow[Diagnosis]:
    """The whole examination, as a flow."""
    paths = settings.paths
    # First of all: whoever reads a key or a session closes its file to others, or sets a damaged one aside.
    exposed = yield from run_blocking(lambda: tuple(local_checks.open_to_others(paths)))
    about_session, session = yield from run_blocking(lambda: local_checks.session(settings))
    lasting: tuple[Finding, ...] = ()
    if offline_for is not None:
        judged, renewal_tried = yield from _lasting(settings, session, offline_for)
        lasting = (judged,)
        now = yield from run_blocking(lambda: local_checks.session(settings))
        if renewal_tried and (session is not None or now[1] is not None):
            about_session, session = now
    status = yield from run_blocking(lambda: check_installation(profile=settings.profile))
    usable = bool(status) and session is not None
    findings = [local_checks.core(status), about_session, *lasting]
    findings.append((yield from run_blocking(lambda: local_checks.key(settings))))
    findings.append((yield from run_blocking(lambda: local_checks.keyring(settings))))
    findings.extend((yield from run_blocking(lambda: tuple(local_checks.folders(paths, usable)))))
    findings.extend(exposed)
    findings.extend((yield from network(settings, usable)))
    return Diagnosis(tuple(findings), usable, None if session is None else session.expires_at)


def _lasting(
    settings: Settings, session: SessionRecord | None, offline_for: timedelta
) -> Flow[tuple[Finding, bool]]:
    """Whether the session lasts for so long, and whether a renewal was tried to make it so."""
    until = _after(offline_for)
    refusal, tried = "", False
    if not _lasts(session, until) and not settings.offline:
        tried = True
        try:
            session = yield from refresh_flow(settings)
        except NimbusError as error:
            refusal = f"; it was not renewed: {error.message}"
    if session is not None and _lasts(session, until):
        end = (
            "for as long as the key lives"
            if session.expires_at is None
            else f"until {session.expires_at:%Y-%m-%d %H:%M} UTC"
        )
        return ok("offline time", f"the session lasts {end}"), tried
    cause = (
        "there is no session"
        if session is None
        else f"the session ends {session.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    fix = "Ask for a key that is valid longer, or plan to be online before the session ends."
    judged = trouble("offline time", f"{cause}, before {until:%Y-%m-%d %H:%M} UTC{refusal}", fix, fatal=True)
    return judged, tried


def _after(span: timedelta) -> datetime:
    """The moment after a span from now, which may be as long as a calendar is."""
    try:
        return datetime.now(UTC) + max(span, timedelta())
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _lasts(session: SessionRecord | None, until: datetime) -> bool:
    return session is not None and not session.is_expired(until)
