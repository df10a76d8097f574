"""Start the servers of Debian's packages on the far host of a network."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.networks import Host

START_SECONDS = 20.0
CERTIFICATE_GENERATOR = "/usr/lib/squid/security_file_certgen"


def require(*programs: str) -> None:
    """Skip the test unless these programs are installed."""
    absent = [program for program in programs if shutil.which(program) is None]
    if absent:
        pytest.skip(f"{' and '.join(absent)} (packages of Debian) needed")


@contextmanager
def running(host: Host, command: Sequence[str | Path], address: str, port: int, log: Path) -> Iterator[None]:
    """Run a server until the end of the block, which begins when it listens."""
    with log.open("ab") as output:
        process = host.run(lambda: subprocess.Popen([*map(str, command)], stdout=output, stderr=output))
    try:
        _wait_until_listening(host, process, address, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_listening(
    host: Host, process: subprocess.Popen[bytes], address: str, port: int, log: Path
) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            host.connect(address, port).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{process.args!r} does not listen\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return


@contextmanager
def nginx(host: Host, folder: Path, servers: str, address: str) -> Iterator[None]:
    """Run nginx with these ``server`` blocks, the first of which listens on port 443 of an address."""
    require("nginx")
    folder.mkdir(exist_ok=True)
    places = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"user root;\ndaemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{places}\n{servers}\n}}\n"
    )
    command = ["nginx", "-c", configuration, "-e", "stderr"]
    with running(host, command, address, 443, folder / "nginx.log"):
        yield


@contextmanager
def squid(host: Host, folder: Path, lines: str, address: str, listen: str = "") -> Iterator[str]:
    """Run squid with these lines before ``http_access allow all``; yield its URL.

    Args:
        host: Where it runs.
        folder: For its files; other users can read it.
        lines: Of squid.conf.
        address: Where it listens, on port 3128.
        listen: Options of ``http_port``.
    """
    require("squid")
    configuration = folder / "squid.conf"
    configuration.write_text(
        f"http_port {address}:3128 {listen}\n{lines}\nhttp_access allow all\ncache deny all\n"
        f"access_log none\ncache_log stdio:/dev/stderr\npid_filename none\ncoredump_dir {folder}\n"
        f"shutdown_lifetime 0 seconds\nvisible_hostname proxy.example\n"
    )
    with running(host, ["squid", "-N", "-f", configuration], address, 3128, folder / "squid.log"):
        yield f"http://{address}:3128"


@contextmanager
def haproxy(host: Host, folder: Path, configuration: str, address: str) -> Iterator[None]:
    """Run haproxy, which listens on port 443 of an address."""
    require("haproxy")
    folder.mkdir(exist_ok=True)
    file = folder / "haproxy.cfg"
    file.write_text(
        f"defaults\nmode http\ntimeout connect 5s\ntimeout client 60s\ntimeout server 60s\n{configuration}\n"
    )
    with running(host, ["haproxy", "-db", "-f", file], address, 443, folder / "haproxy.log"):
        yield
