"""Checks of the network: proxy, name resolution, certificate, captive portal, clock and both services."""

from __future__ import annotations

from collections.abc import Callable

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.doctor.finding import Finding, format_span, ok, problem
from nimbus_sdk.errors import ApiError, NimbusError, ResponseFormatError
from nimbus_sdk.transport.dns import count_addresses, proxy_for
from nimbus_sdk.transport.flow import Flow, Request, Response, run_blocking, send
from nimbus_sdk.transport.tls import certificate_issuer

TIMEOUT_SECONDS = 6.0
CLOCK_TOLERANCE_SECONDS = 60.0
_ANY_ANSWER = frozenset({401, 403, 404, 503})
_LOG_IN = "Open a web page in a browser and log in to the network, or ask whoever runs the proxy."
_GITHUB_FIX = "Only installing and updating the core need it. Ask for HTTPS to this host to be allowed."


def check_network(settings: Settings, usable_offline: bool) -> Flow[tuple[Finding, ...]]:
    """Check the way to both services; no key is sent."""
    if settings.offline:
        return (Finding("network", "skipped", "offline mode is on (NIMBUS_SDK_OFFLINE)"),)
    fatal = not usable_offline
    proxy = proxy_for(settings.api_url)
    used = "none for the Nimbus API" if proxy is None else f"{proxy} is used for the Nimbus API"
    findings = [ok("proxy", used)]
    for name, url in (("dns api", settings.api_url), ("dns github", settings.github_url)):
        findings.append((yield from _run_check(name, _count_addresses, url, fatal=fatal)))
    findings.append((yield from _run_check("certificate", _find_issuer, settings.api_url, fatal=False)))
    findings.extend((yield from _check_api(settings, fatal)))
    findings.append((yield from _check_github(settings, fatal)))
    return tuple(findings)


def _run_check(check: str, run: Callable[[str, str], Finding], url: str, *, fatal: bool) -> Flow[Finding]:
    """Run a check that blocks; an error is a finding."""
    try:
        return (yield from run_blocking(lambda: run(check, url)))
    except NimbusError as error:
        return problem(check, error.message, error.hint, fatal=fatal)


def _count_addresses(check: str, url: str) -> Finding:
    count = count_addresses(url, TIMEOUT_SECONDS)
    return ok(check, f"{url.split('/')[2]} has {count} address{'es' if count > 1 else ''}")


def _find_issuer(check: str, url: str) -> Finding:
    if not url.startswith("https://"):
        return Finding(check, "skipped", "plain http on this machine's loopback")
    if proxy_for(url) is not None:
        return Finding(check, "skipped", "behind a proxy; the request below shows whether it is trusted")
    return ok(check, f"issued by {certificate_issuer(url, TIMEOUT_SECONDS)}")


def _check_api(settings: Settings, fatal: bool) -> Flow[tuple[Finding, ...]]:
    """Check the Nimbus API and, by its Date header, the clock."""
    try:
        response = yield from send(_request("health", f"{settings.api_url}/api/health"))
        response.json()
    except (ResponseFormatError, ApiError) as error:
        if isinstance(error, ApiError) and error.status is not None and error.status >= 500:
            return (problem("api", error.message, error.hint, fatal=fatal),)
        return (problem("captive portal", error.message, _LOG_IN, fatal=fatal),)
    except NimbusError as error:
        return (problem("api", error.message, error.hint, fatal=fatal),)
    if response.status == 200:
        return ok("api", "it answers"), _check_clock(response)
    cause = f"it answers with status {response.status}"
    return problem("api", cause, "Try again in some minutes.", fatal=False), _check_clock(response)


def _check_clock(response: Response) -> Finding:
    offset = response.clock_offset
    if offset is None:
        return Finding("clock", "skipped", "the service did not send its time")
    if abs(offset) <= CLOCK_TOLERANCE_SECONDS:
        return ok("clock", f"within {CLOCK_TOLERANCE_SECONDS:.0f} s of the service's")
    side = "behind" if offset > 0 else "ahead of"
    cause = f"this machine's clock is {format_span(abs(offset))} {side} the service's"
    fix = "Set the clock (time synchronisation); sessions and TLS depend on it."
    return problem("clock", cause, fix, fatal=False)


def _check_github(settings: Settings, fatal: bool) -> Flow[Finding]:
    url = f"{settings.github_url}/repos/{settings.core_repo}"
    try:
        response = yield from send(_request("github", url, accept="application/vnd.github+json"))
    except NimbusError as error:
        return problem("github", error.message, _GITHUB_FIX, fatal=fatal)
    if response.status == 503:
        return problem("github", "it answers with status 503", "Try again in some minutes.", fatal=False)
    if not _is_from_github(response):
        cause = f"something else answers in its place (status {response.status}): a captive portal or a proxy"
        return problem("github", cause, f"{_LOG_IN} {_GITHUB_FIX}", fatal=fatal)
    return ok("github", f"it answers (status {response.status}, as expected without a token)")


def _is_from_github(response: Response) -> bool:
    """Whether this is GitHub's description of a repository, or its error for one that is not visible."""
    try:
        body = response.json()
    except ResponseFormatError:
        return False
    return isinstance(body, dict) and ("id" in body or "message" in body)


def _request(name: str, url: str, accept: str | None = None) -> Request:
    return Request(
        name=name,
        method="GET",
        url=url,
        headers={} if accept is None else {"Accept": accept},
        repeatable=False,
        timeout=TIMEOUT_SECONDS,
        accept=_ANY_ANSWER,
    )
