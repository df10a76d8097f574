"""Checks of the network: proxies, names, IPv6, certificate, captive portal, clock, and every host in use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.doctor.finding import Finding, format_span, ok, problem
from nimbus_sdk.errors import ApiError, NimbusError, NimbusTimeoutError, RateLimitError, ResponseFormatError
from nimbus_sdk.transport import inspection
from nimbus_sdk.transport.flow import Flow, Request, Response, run_blocking, send
from nimbus_sdk.transport.inspection import TlsPeer
from nimbus_sdk.transport.proxies import Proxy, proxy_for

TIMEOUT_SECONDS = 6.0
"""For each check, apart from looking up names, which may take as long as for any request."""

HOLE_SECONDS = 2.0
SLOW_LOOKUP_SECONDS = 2.0
CLOCK_TOLERANCE_SECONDS = 60.0
STORAGE_HOSTS = ("release-assets.githubusercontent.com", "objects.githubusercontent.com")
"""Where GitHub redirects the download of an asset to: now, and before, should it go back."""

_ANY_ANSWER = frozenset({401, 403, 404, 503})
_ANY_REFUSAL = frozenset(range(400, 500))
_SILENT = "A firewall may swallow the connection: ask for HTTPS to this host to be allowed."
_LOG_IN = "Open a web page in a browser and log in to the network, or ask whoever runs the proxy."
_GITHUB_NEED = "Only installing and updating the core need it."
_STORAGE_NEED = (
    f"{_GITHUB_NEED} Its files come from there: ask for HTTPS to *.githubusercontent.com to be allowed."
)


@dataclass(frozen=True, slots=True)
class _Host:
    """A host that the SDK talks to: its name in findings and in sentences, and the way to it.

    Attributes:
        need: What it is needed for, as a sentence with a space behind it; empty for the API.
        fatal: Whether work cannot go on without it.
        path: Below the base URL, for a request without a key.
        failure: Why its name cannot be looked up, or None.
        seconds: Time limit of a check.
    """

    name: str
    title: str
    url: str
    need: str
    fatal: bool
    proxy: Proxy | None
    path: str = ""
    failure: NimbusError | None = None
    seconds: float = 0.0

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc

    def problem(self, cause: str, fix: str, check: str = "") -> Finding:
        return problem(check or self.name, cause, f"{self.need}{fix}", fatal=self.fatal)


def check_network(settings: Settings, usable_offline: bool) -> Flow[tuple[Finding, ...]]:
    """Check the way to the services and to the storage host; no key is sent."""
    if settings.offline:
        return (Finding("network", "skipped", "offline mode is on (NIMBUS_SDK_OFFLINE)"),)
    hosts = _list_hosts(settings, fatal=not usable_offline)
    findings = yield from run_blocking(lambda: _check_proxies(hosts))
    looked_up = yield from run_blocking(lambda: _look_up_all(hosts, settings.timeout))
    findings.extend(finding for _, found, _ in looked_up for finding in found)
    seconds = TIMEOUT_SECONDS + max(spent for _, _, spent in looked_up)
    api, github, *storage = (replace(host, seconds=seconds) for host, _, _ in looked_up)
    findings.extend((yield from _check_api(api)))
    findings.append((yield from _check_github(github, settings.core_repo)))
    for host in storage:
        findings.append((yield from _check_storage(host)))
    return tuple(findings)


def _list_hosts(settings: Settings, *, fatal: bool) -> list[_Host]:
    api, github = settings.api_url, settings.github_url
    hosts = [
        _Host("api", "the Nimbus API", api, "", fatal, proxy_for(api), "/api/health"),
        _Host("github", "GitHub", github, f"{_GITHUB_NEED} ", fatal, proxy_for(github)),
    ]
    # The hosts of the core's files are known for github.com alone.
    if origin(github) == origin(Settings.github_url):
        for name, host in zip(("storage", "storage 2"), STORAGE_HOSTS, strict=True):
            url = f"https://{host}"
            hosts.append(_Host(name, "GitHub's storage", url, f"{_STORAGE_NEED} ", fatal, proxy_for(url)))
    return hosts


def _check_proxies(hosts: Sequence[_Host]) -> list[Finding]:
    """Connect to each proxy, and say what it is used for."""
    direct = [host for host in hosts if host.proxy is None]
    findings: list[Finding] = []
    for proxy in dict.fromkeys(host.proxy for host in hosts if host.proxy is not None):
        users = [host for host in hosts if host.proxy == proxy]
        check = f"proxy {users[0].name}" if findings else "proxy"
        try:
            inspection.reach_proxy(proxy, TIMEOUT_SECONDS)
        except NimbusError as error:
            findings.append(problem(check, error.message, error.hint, fatal=users[0].fatal))
        else:
            rest = f"; none for {_titles(direct)}" if direct else ""
            findings.append(ok(check, f"{proxy} is used for {_titles(users)}{rest}"))
    return findings or [ok("proxy", f"none for {_titles(direct)}")]


def _titles(hosts: Iterable[_Host]) -> str:
    *others, last = dict.fromkeys(host.title for host in hosts)
    return f"{', '.join(others)} and {last}" if others else last


def _look_up_all(hosts: Sequence[_Host], seconds: float) -> list[tuple[_Host, list[Finding], float]]:
    """Look up all hosts at once: a dead name server takes many seconds for each."""
    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(lambda host: _look_up(host, seconds), hosts))


def _look_up(host: _Host, seconds: float) -> tuple[_Host, list[Finding], float]:
    """Look up a host, and return it with its failure, the findings, and the seconds that it took."""
    check = f"dns {host.name}"
    if host.proxy is not None:
        return host, [ok(check, f"the proxy looks up {host.address}")], 0.0
    try:
        lookup = inspection.look_up(host.url, seconds)
    except NimbusError as error:
        found = problem(check, error.message, error.hint, fatal=host.fatal)
        return replace(host, failure=error), [found], 0.0
    count = len(lookup.addresses)
    found = ok(check, f"{host.address} has {count} address{'es' if count > 1 else ''}")
    if lookup.seconds > SLOW_LOOKUP_SECONDS:
        cause = f"{found.cause}; the look-up took {lookup.seconds:.1f} s"
        fix = "The first name server may be dead: check the list (/etc/resolv.conf on Linux)."
        found = problem(check, cause, fix, fatal=False)
    hole = inspection.find_black_hole(lookup.addresses, min(HOLE_SECONDS, TIMEOUT_SECONDS))
    if hole is None:
        return host, [found], lookup.seconds
    version = "IPv6" if ":" in hole else "IPv4"
    cause = f"{version} leads nowhere: {hole} ({host.address}) does not answer, other addresses do"
    fix = (
        "Work continues, with a pause at each new connection. Tell whoever runs the network, or turn "
        f"{version} off on this machine."
    )
    return host, [found, problem(f"ip {host.name}", cause, fix, fatal=False)], lookup.seconds


def _check_tls(host: _Host) -> tuple[Finding, Finding | None]:
    """Return the finding on the certificate, and that on the host if it is not reached or not trusted."""
    peer, failure = None, host.failure
    if failure is None and host.url.startswith("https://"):
        try:
            peer = inspection.inspect_tls(f"{host.url}{host.path}", host.proxy, host.seconds)
        except NimbusError as error:
            failure = error
    if failure is not None:
        skipped = Finding("certificate", "skipped", "none was presented; the next line says why")
        # More time, which a time-out advises, does not help here.
        fix = _SILENT if failure.hint == NimbusTimeoutError.advice else failure.hint
        return skipped, host.problem(failure.message, fix)
    if peer is None:
        return Finding("certificate", "skipped", "plain http on this machine's loopback"), None
    if peer.fault is None:
        return ok("certificate", f"trusted; issued by {peer.issuer}"), None
    fault, fix = f"not trusted ({peer.fault}); issued by {peer.issuer}", _untrusted_fix(peer)
    certificate = problem("certificate", fault, fix, fatal=host.fatal)
    if not peer.is_page:
        return certificate, host.problem(f"the certificate of {host.address} is {fault}", fix)
    cause = f"a page answers in place of {host.address}, with a certificate that is not trusted"
    return certificate, host.problem(cause, fix, "captive portal" if host.name == "api" else "")


def _untrusted_fix(peer: TlsPeer) -> str:
    """Return what to do about a certificate that is not trusted."""
    if peer.is_page:
        return f"Do not trust that certificate. {_LOG_IN}"
    if peer.is_other_host:
        return "Another server answers: do not trust it, and check the DNS server and the hosts file."
    return (
        "If that is your network's own authority, ask whoever runs the network for its root certificate, and "
        "set SSL_CERT_FILE to that PEM file."
    )


def _check_api(host: _Host) -> Flow[tuple[Finding, ...]]:
    """Check the certificate of the Nimbus API, the API itself and, by its Date header, the clock."""
    certificate, stranger = yield from run_blocking(lambda: _check_tls(host))
    if stranger is not None:
        return certificate, stranger
    try:
        response = yield from send(_request("health", f"{host.url}{host.path}", host))
        response.json()
    except (ResponseFormatError, ApiError) as error:
        if isinstance(error, ApiError) and error.status is not None and error.status >= 500:
            return certificate, host.problem(error.message, error.hint)
        return certificate, host.problem(error.message, _LOG_IN, "captive portal")
    except NimbusError as error:
        return certificate, host.problem(error.message, error.hint)
    if response.status == 200:
        return certificate, ok("api", "it answers"), _check_clock(response)
    cause = f"it answers with status {response.status}"
    api = problem("api", cause, "Try again in a few minutes.", fatal=False)
    return certificate, api, _check_clock(response)


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


def _check_github(host: _Host, repo: str) -> Flow[Finding]:
    _, stranger = yield from run_blocking(lambda: _check_tls(host))
    if stranger is not None:
        return stranger
    url = f"{host.url}/repos/{repo}"
    try:
        response = yield from send(_request("github", url, host, accept="application/vnd.github+json"))
    except RateLimitError:
        return ok("github", "it answers; its limit on requests without a token is used up for now")
    except NimbusError as error:
        return host.problem(error.message, error.hint)
    if response.status == 503:
        return problem("github", "it answers with status 503", "Try again in a few minutes.", fatal=False)
    if not _is_from_github(response):
        cause = f"something else answers in its place (status {response.status}): a captive portal or a proxy"
        return problem("github", cause, f"{_LOG_IN} {_GITHUB_NEED}", fatal=host.fatal)
    return ok("github", f"it answers (status {response.status}, as expected without a token)")


def _is_from_github(response: Response) -> bool:
    """Whether this is GitHub's description of a repository, or its error for one that is not visible."""
    try:
        body = response.json()
    except ResponseFormatError:
        return False
    return isinstance(body, dict) and ("id" in body or "message" in body)


def _check_storage(host: _Host) -> Flow[Finding]:
    """Check a host that sends the bytes of the core."""
    _, stranger = yield from run_blocking(lambda: _check_tls(host))
    if stranger is not None:
        return stranger
    try:
        response = yield from send(_request("storage", host.url, host))
    except NimbusError as error:
        return host.problem(error.message, error.hint)
    if _is_block_page(response):
        cause = f"a page answers in place of {host.address} (status {response.status})"
        return host.problem(cause, _LOG_IN)
    return ok(host.name, f"{host.address} answers")


def _is_block_page(response: Response) -> bool:
    """Whether a filter answers: the storage host sends no page, and refuses what has no signature."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "text/html" and response.status in (200, 403, 451)


def _request(name: str, url: str, host: _Host, accept: str | None = None) -> Request:
    return Request(
        name=name,
        method="GET",
        url=url,
        headers={} if accept is None else {"Accept": accept},
        repeatable=False,
        timeout=host.seconds,
        accept=_ANY_ANSWER if name != "storage" else _ANY_REFUSAL,
    )
