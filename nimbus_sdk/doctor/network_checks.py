"""What can be seen of the network: names, proxy, captive portal, certificates, clock, the two services."""

from __future__ import annotations

from collections.abc import Callable

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.doctor.finding import Finding, in_words, ok, trouble
from nimbus_sdk.errors import ApiError, NimbusError, ResponseFormatError
from nimbus_sdk.transport.dns import count_addresses, proxy_for
from nimbus_sdk.transport.flow import Flow, Request, Response, run_blocking, send
from nimbus_sdk.transport.tls import certificate_issuer

PATIENCE_SECONDS = 6.0
CLOCK_TOLERANCE_SECONDS = 60.0
_ANY_ANSWER = frozenset({401, 403, 404, 503})
_PORTAL = "Open a web page in a browser and log in to the network, or ask whoever runs the proxy."


def network(settings: Settings, usable_offline: bool) -> Flow[tuple[Finding, ...]]:
    """Look at the way to both services; nothing that is sent there holds a key."""
    if settings.offline:
        return (Finding("network", "skipped", "offline mode is on (NIMBUS_SDK_OFFLINE)"),)
    fatal = not usable_offline
    findings = [_proxy(settings)]
    for name, url in (("dns api", settings.api_url), ("dns github", settings.github_url)):
        findings.append((yield from _seen(name, _resolving(name, url), fatal)))
    findings.append((yield from _seen("certificate", _issuer(settings.api_url), False)))
    health = Request(
        name="health",
        method="GET",
        url=f"{settings.api_url}/api/health",
        repeatable=False,
        patience=PATIENCE_SECONDS,
        accept=_ANY_ANSWER,
    )
    findings.extend((yield from _api(health, fatal)))
    findings.append((yield from _github(settings, fatal)))
    return tuple(findings)


def _proxy(settings: Settings) -> Finding:
    proxy = proxy_for(settings.api_url)
    if proxy is None:
        return ok("proxy", "none for the Nimbus API")
    return ok("proxy", f"{proxy} carries requests to the Nimbus API")


def _resolving(name: str, url: str) -> Callable[[], Finding]:
    def look() -> Finding:
        count = count_addresses(url, PATIENCE_SECONDS)
        return ok(name, f"{url.split('/')[2]} has {count} address{'es' if count > 1 else ''}")

    return look


def _issuer(url: str) -> Callable[[], Finding]:
    def look() -> Finding:
        if not url.startswith("https://"):
            return Finding("certificate", "skipped", "plain http on this machine's loopback")
        if proxy_for(url) is not None:
            return Finding(
                "certificate", "skipped", "behind a proxy; the request below tells whether it is trusted"
            )
        return ok("certificate", f"issued by {certificate_issuer(url, PATIENCE_SECONDS)}")

    return look


def _seen(check: str, look: Callable[[], Finding], fatal: bool) -> Flow[Finding]:
    try:
        return (yield from run_blocking(look))
    except NimbusError as error:
        return trouble(check, error.message, error.hint, fatal=fatal)


def _api(health: Request, fatal: bool) -> Flow[tuple[Finding, ...]]:
    try:
        answer = yield from send(health)
        answer.json()
    except (ResponseFormatError, ApiError) as error:
        if isinstance(error, ApiError) and error.status is not None and error.status >= 500:
            return (trouble("api", error.message, error.hint, fatal=fatal),)
        return (trouble("captive portal", error.message, _PORTAL, fatal=fatal),)
    except NimbusError as error:
        return (trouble("api", error.message, error.hint, fatal=fatal),)
    return (_health(answer), _clock(answer))


def _health(answer: Response) -> Finding:
    if answer.status != 200:
        return trouble(
            "api", f"it answers with status {answer.status}", "Try again in some minutes.", fatal=False
        )
    return ok("api", "it answers")


def _clock(answer: Response) -> Finding:
    offset = answer.clock_offset
    if offset is None:
        return Finding("clock", "skipped", "the service did not tell its time")
    if abs(offset) <= CLOCK_TOLERANCE_SECONDS:
        return ok("clock", f"within {CLOCK_TOLERANCE_SECONDS:.0f} s of the service's")
    side = "behind" if offset > 0 else "ahead of"
    fix = "Set the clock right (time synchronisation); sessions and TLS depend on it."
    return trouble(
        "clock", f"this machine's clock is {in_words(abs(offset))} {side} the service's", fix, fatal=False
    )


def _github(settings: Settings, fatal: bool) -> Flow[Finding]:
    step = Request(
        name="github",
        method="GET",
        url=f"{settings.github_url}/repos/{settings.core_repo}",
        headers={"Accept": "application/vnd.github+json"},
        repeatable=False,
        patience=PATIENCE_SECONDS,
        accept=_ANY_ANSWER,
    )
    fix = "Only installing and updating the core need it. Ask for HTTPS to this host to be allowed."
    try:
        answer = yield from send(step)
    except NimbusError as error:
        return trouble("github", error.message, fix, fatal=fatal)
    if answer.status == 503:
        return trouble("github", "it answers with status 503", "Try again in some minutes.", fatal=False)
    if not _is_githubs(answer):
        cause = f"something else answers in its place (status {answer.status}): a captive portal or a proxy"
        return trouble("github", cause, f"{_PORTAL} {fix}", fatal=fatal)
    return ok("github", f"it answers (status {answer.status}, as it does without a token)")


def _is_githubs(answer: Response) -> bool:
    """Whether this is what GitHub's API says of a repository, or of one that it does not show."""
    try:
        told = answer.json()
    except ResponseFormatError:
        return False
    return isinstance(told, dict) and ("id" in told or "message" in told)
