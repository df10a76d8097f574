"""Checks of the network: proxies, names, IPv6, certificate, captive portal, clock, and every host in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.doctor.finding import Finding, format_span, ok, problem
from nimbus_sdk.errors import ApiError, NimbusError, NimbusTimeoutError, RateLimitError, ResponseFormatError
from nimbus_sdk.transport import inspection
from nimbus_sdk.transport.flow import Flow, Request, Response, run_blocking, send
from nimbus_sdk.transport.inspection import Lookup, TlsPeer
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
    """A host that the SDK talks to.

    Attributes:
        name: In the names of findings.
        title: In sentences.
        url: Its base URL.
        path: Below the base URL, for a request without a key.
        proxy: The proxy on the way, or None.
        failure: Why its name cannot be looked up, or None.
    """

    name: str
    title: str
    url: str
    path: str
    proxy: Proxy | None
    failure: NimbusError | None = None


def check_network(settings: Settings, usable_offline: bool) -> Flow[tuple[Finding, ...]]:
    """Check the way to the services and to the storage host; no key is sent."""
    if settings.offline:
        return (Finding("network", "skipped", "offline mode is on (NIMBUS_SDK_OFFLINE)"),)
    fatal = not usable_offline
    api = _Host("api", "the Nimbus API", settings.api_url, "/api/health", proxy_for(settings.api_url))
    github = _Host("github", "GitHub", settings.github_url, "", proxy_for(settings.github_url))
    hosts = (api, github, *_storage_hosts(settings))
    findings = yield from run_blocking(lambda: _check_proxies(hosts, fatal))
    names = yield from run_blocking(lambda: _look_up(hosts, settings.timeout, fatal))
    findings.extend(finding for name in names for finding in name.findings)
    seconds = TIMEOUT_SECONDS + max(name.seconds for name in names)
    api, github, *storage = (name.host for name in names)
    findings.extend((yield from _check_api(api, seconds, fatal)))
    findings.append((yield from _check_github(github, settings.core_repo, seconds, fatal)))
    for host in storage:
        findings.append((yield from _check_storage(host, seconds, fatal)))
    return tuple(findings)


def _storage_hosts(settings: Settings) -> tuple[_Host, ...]:
    """Return the hosts of the core's files, which are known for github.com alone."""
    if origin(settings.github_url) != origin(Settings.github_url):
        return ()
    names = {"storage": STORAGE_HOSTS[0], "storage 2": STORAGE_HOSTS[1]}
    urls = {name: f"https://{host}" for name, host in names.items()}
    return tuple(_Host(name, "GitHub's storage", url, "", proxy_for(url)) for name, url in urls.items())


def _check_proxies(hosts: tuple[_Host, ...], fatal: bool) -> list[Finding]:
    """Connect to each proxy, and say what it is used for."""
    direct = [host for host in hosts if host.proxy is None]
    findings: list[Finding] = []
    for proxy in dict.fromkeys(host.proxy for host in hosts if host.proxy is not None):
        users = [host for host in hosts if host.proxy == proxy]
        check = f"proxy {users[0].name}" if findings else "proxy"
        try:
            inspection.reach_proxy(proxy, TIMEOUT_SECONDS)
        except NimbusError as error:
            findings.append(problem(check, error.message, error.hint, fatal=fatal))
        else:
            rest = f"; none for {_titles(direct)}" if direct else ""
            findings.append(ok(check, f"{proxy} is used for {_titles(users)}{rest}"))
    return findings or [ok("proxy", f"none for {_titles(direct)}")]


def _titles(hosts: Iterable[_Host]) -> str:
    *others, last = dict.fromkeys(host.title for host in hosts)
    return f"{', '.join(others)} and {last}" if others else last


@dataclass(frozen=True, slots=True)
class _Name:
    """The look-up of a host: its findings, and the seconds that it took."""

    host: _Host
    findings: tuple[Finding, ...]
    seconds: float = 0.0


def _look_up(hosts: tuple[_Host, ...], seconds: float, fatal: bool) -> list[_Name]:
    """Look up all hosts at once: a dead name server takes many seconds for each."""
    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(lambda host: _check_name(host, seconds, fatal), hosts))


def _check_name(host: _Host, seconds: float, fatal: bool) -> _Name:
    check, name = f"dns {host.name}", urlsplit(host.url).netloc
    if host.proxy is not None:
        return _Name(host, (ok(check, f"the proxy looks up {name}"),))
    try:
        lookup = inspection.look_up(host.url, seconds)
    except NimbusError as error:
        return _Name(replace(host, failure=error), (problem(check, error.message, error.hint, fatal=fatal),))
    count = len(lookup.addresses)
    cause = f"{name} has {count} address{'es' if count > 1 else ''}"
    if lookup.seconds > SLOW_LOOKUP_SECONDS:
        cause = f"{cause}; the look-up took {lookup.seconds:.1f} s"
        fix = "The first name server may be dead: check the list (/etc/resolv.conf on Linux)."
        found = problem(check, cause, fix, fatal=False)
    else:
        found = ok(check, cause)
    return _Name(host, (found, *_find_hole(host, lookup)), lookup.seconds)


def _find_hole(host: _Host, lookup: Lookup) -> Iterator[Finding]:
    """Yield a finding if one version of IP leads nowhere."""
    hole = inspection.find_hole(lookup.addresses, min(HOLE_SECONDS, TIMEOUT_SECONDS))
    if hole is None:
        return
    version = "IPv6" if ":" in hole else "IPv4"
    cause = (
        f"{version} leads nowhere: {hole} ({urlsplit(host.url).netloc}) does not answer, other addresses do"
    )
    fix = (
        "Work continues, with a pause at each new connection. Tell whoever runs the network, or turn "
        f"{version} off on this machine."
    )
    yield problem(f"ip {host.name}", cause, fix, fatal=False)


def _inspect(host: _Host, seconds: float) -> tuple[TlsPeer | None, NimbusError | None]:
    """Return who answers at a host over TLS, or why nobody does; neither for plain http."""
    if host.failure is not None or not host.url.startswith("https://"):
        return None, host.failure
    try:
        return inspection.inspect_tls(f"{host.url}{host.path}", host.proxy, seconds), None
    except NimbusError as error:
        return None, error


def _fix(failure: NimbusError) -> str:
    """Return what to do about a host that cannot be reached; more time does not help."""
    return _SILENT if failure.hint == NimbusTimeoutError.advice else failure.hint


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


def _check_api(host: _Host, seconds: float, fatal: bool) -> Flow[tuple[Finding, ...]]:
    """Check the certificate of the Nimbus API, the API itself and, by its Date header, the clock."""
    peer, failure = yield from run_blocking(lambda: _inspect(host, seconds))
    if failure is not None:
        skipped = Finding("certificate", "skipped", "none was presented; the next line says why")
        return skipped, problem("api", failure.message, _fix(failure), fatal=fatal)
    if peer is None:
        certificate = Finding("certificate", "skipped", "plain http on this machine's loopback")
    elif peer.fault is None:
        certificate = ok("certificate", f"trusted; issued by {peer.issuer}")
    else:
        cause, fix = f"not trusted ({peer.fault}); issued by {peer.issuer}", _untrusted_fix(peer)
        certificate = problem("certificate", cause, fix, fatal=fatal)
        return certificate, problem(*_describe_stranger(host, "api", peer), fix, fatal=fatal)
    return certificate, *(yield from _ask_api(host, seconds, fatal))


def _describe_stranger(host: _Host, check: str, peer: TlsPeer) -> tuple[str, str]:
    """Return the check and the cause for a host that shows a certificate which is not trusted."""
    name = urlsplit(host.url).netloc
    if peer.is_page:
        check = "captive portal" if check == "api" else check
        return check, f"a page answers in place of {name}, with a certificate that is not trusted"
    return check, f"the certificate of {name} is not trusted ({peer.fault}); issued by {peer.issuer}"


def _ask_api(host: _Host, seconds: float, fatal: bool) -> Flow[tuple[Finding, ...]]:
    try:
        response = yield from send(_request("health", f"{host.url}{host.path}", seconds))
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
    return problem("api", cause, "Try again in a few minutes.", fatal=False), _check_clock(response)


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


def _check_github(host: _Host, repo: str, seconds: float, fatal: bool) -> Flow[Finding]:
    stranger = yield from run_blocking(lambda: _check_stranger(host, _GITHUB_NEED, seconds, fatal))
    if stranger is not None:
        return stranger
    url = f"{host.url}/repos/{repo}"
    try:
        response = yield from send(_request("github", url, seconds, accept="application/vnd.github+json"))
    except RateLimitError:
        return ok("github", "it answers; its limit on requests without a token is used up for now")
    except NimbusError as error:
        return problem("github", error.message, f"{_GITHUB_NEED} {error.hint}", fatal=fatal)
    if response.status == 503:
        return problem("github", "it answers with status 503", "Try again in a few minutes.", fatal=False)
    if not _is_from_github(response):
        cause = f"something else answers in its place (status {response.status}): a captive portal or a proxy"
        return problem("github", cause, f"{_LOG_IN} {_GITHUB_NEED}", fatal=fatal)
    return ok("github", f"it answers (status {response.status}, as expected without a token)")


def _check_stranger(host: _Host, need: str, seconds: float, fatal: bool) -> Finding | None:
    """Return the finding for a host that cannot be reached over TLS or is not trusted, or None."""
    peer, failure = _inspect(host, seconds)
    if failure is not None:
        return problem(host.name, failure.message, f"{need} {_fix(failure)}", fatal=fatal)
    if peer is None or peer.fault is None:
        return None
    check, cause = _describe_stranger(host, host.name, peer)
    return problem(check, cause, f"{need} {_untrusted_fix(peer)}", fatal=fatal)


def _is_from_github(response: Response) -> bool:
    """Whether this is GitHub's description of a repository, or its error for one that is not visible."""
    try:
        body = response.json()
    except ResponseFormatError:
        return False
    return isinstance(body, dict) and ("id" in body or "message" in body)


def _check_storage(host: _Host, seconds: float, fatal: bool) -> Flow[Finding]:
    """Check a host that sends the bytes of the core."""
    stranger = yield from run_blocking(lambda: _check_stranger(host, _STORAGE_NEED, seconds, fatal))
    if stranger is not None:
        return stranger
    try:
        response = yield from send(_request("storage", host.url, seconds))
    except NimbusError as error:
        return problem(host.name, error.message, f"{_STORAGE_NEED} {error.hint}", fatal=fatal)
    name = urlsplit(host.url).netloc
    if _is_block_page(response):
        cause = f"a page answers in place of {name} (status {response.status})"
        return problem(host.name, cause, f"{_STORAGE_NEED} {_LOG_IN}", fatal=fatal)
    return ok(host.name, f"{name} answers")


def _is_block_page(response: Response) -> bool:
    """Whether a filter answers: the storage host sends no page, and refuses what has no signature."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "text/html" and response.status in (200, 403, 451)


def _request(name: str, url: str, seconds: float, accept: str | None = None) -> Request:
    return Request(
        name=name,
        method="GET",
        url=url,
        headers={} if accept is None else {"Accept": accept},
        repeatable=False,
        timeout=seconds,
        accept=_ANY_ANSWER if name != "storage" else _ANY_REFUSAL,
    )
