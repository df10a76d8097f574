"""A large wheel: fetched, hashed and written by the SDK, beside ``curl -o`` followed by ``openssl dgst``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.qualification.benchmarks.measures import Row, Verdict

OURS = "the SDK: download, hash, write"
THEIRS = "curl -o, then openssl dgst -sha256"
RATE_LIMIT = 0.9
MEMORY_LIMIT_MIB = 20.0
_ROOT = Path(__file__).parents[3]

_SERVE = """
import json, sys
from nimbus_sdk.sandbox import Sandbox
with Sandbox(limits=dict.fromkeys(("validate", "github_token"))) as sandbox:
    release = sandbox.publish("0.2.0", padding=int(sys.argv[1]))
    (wheel,) = (asset for asset in release.assets if asset.name.endswith(".whl"))
    asset = {"id": wheel.id, "name": wheel.name, "size": wheel.size, "sha256": wheel.sha256}
    print(json.dumps({**sandbox.environment(), "key": sandbox.new_key(), "wheel": asset}), flush=True)
    sys.stdin.read()
"""

_FETCH = """
import contextlib, json, os, sys, time
import httpcore
from nimbus_sdk.api import endpoints
from nimbus_sdk.core.wheel import download, release
from nimbus_sdk.core.wheel.download import FileSink
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.transport.driver import Driver

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

server = json.load(sys.stdin)
settings = Settings.load()
wheel = server["wheel"]
digest = "sha256:" + wheel["sha256"]
asset = release.Asset(id=wheel["id"], name=wheel["name"], size=wheel["size"], digest=digest)
with contextlib.closing(Driver(settings)) as driver:
    token = driver.run(endpoints.github_token(settings.api_url, ApiKey.parse(server["key"]))).github_token
    sink = FileSink(sys.argv[1], asset.name, asset.size, wheel["sha256"])
    before = peak()
    started = time.perf_counter()
    driver.run(download.download_asset(settings, asset, token, sink))
    seconds = time.perf_counter() - started
    grown = peak() - before
    sink.discard()
print(json.dumps([seconds, grown]))
"""

_TOKEN = """
import json, sys
from nimbus_sdk import NimbusClient
print(NimbusClient(json.load(sys.stdin)["key"]).github_token().github_token.get_secret_value())
"""


@dataclass(frozen=True)
class Outcome:
    """Rates in MiB a second, and the growth of our peak memory in MiB."""

    ours: Row
    theirs: Row
    memory: Row

    def rows(self) -> list[Row]:
        """The rates, for a table."""
        return [self.ours, self.theirs]

    def verdicts(self) -> list[Verdict]:
        """What was promised, against what was measured."""
        # Of neighbours in time, so that a machine that grows busier meanwhile is as busy for both.
        ratio = median(
            ours / theirs for ours, theirs in zip(self.ours.values, self.theirs.values, strict=True)
        )
        return [
            Verdict("rate, beside curl and openssl", ratio, RATE_LIMIT, "", at_least=True),
            Verdict("growth of peak memory", max(self.memory.values), MEMORY_LIMIT_MIB, "MiB"),
        ]


def available() -> bool:
    """Whether this machine has what is compared with, and tells a process's peak memory."""
    return None not in (shutil.which("curl"), shutil.which("openssl")) and os.path.exists("/proc/self/status")


def measured(folder: Path, size: int, rounds: int) -> Outcome:
    """Fetch a wheel with so many bytes of filler in turns; one round before does not count."""
    with _sandbox(size) as server:
        mebibytes = server["wheel"]["size"] / 2**20
        ours, theirs, memory = [], [], []
        for number in range(rounds + 1):
            seconds, grown = _download_with_sdk(folder, server)
            beside = _download_with_curl(folder, server)
            if number:
                ours.append(mebibytes / seconds)
                theirs.append(mebibytes / beside)
                memory.append(grown / 1024)
    return Outcome(
        Row(OURS, tuple(ours), "MiB/s"),
        Row(THEIRS, tuple(theirs), "MiB/s"),
        Row("memory", tuple(memory), "MiB"),
    )


@contextmanager
def _sandbox(size: int) -> Iterator[dict[str, dict[str, str]]]:
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(size)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())
        server.communicate()


def _download_with_sdk(folder: Path, server: dict) -> tuple[float, float]:
    seconds, grown = json.loads(_python(_FETCH, server, str(folder / "downloads")))
    return seconds, grown


def _download_with_curl(folder: Path, server: dict) -> float:
    header, target = folder / "header", folder / "wheel"
    header.write_text(f"Authorization: Bearer {_python(_TOKEN, server).strip()}\n")
    releases = f"{server['NIMBUS_SDK_GITHUB_URL']}/repos/{server['NIMBUS_SDK_CORE_REPO']}/releases"
    url = f"{releases}/assets/{server['wheel']['id']}"
    accept = ["-H", "Accept: application/octet-stream", "-H", f"@{header}"]
    started = time.perf_counter()
    subprocess.run(["curl", "-sSfL", *accept, "-o", target, url], check=True)
    digest = subprocess.run(
        ["openssl", "dgst", "-sha256", target], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - started
    assert server["wheel"]["sha256"] in digest.stdout
    target.unlink()
    return seconds


def _python(code: str, server: dict, *arguments: str) -> str:
    environ = {**os.environ, **{name: server[name] for name in server if name.startswith("NIMBUS_")}}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**environ, "PYTHONPATH": str(_ROOT)},
        input=json.dumps(server),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
