"""What a fresh process pays for the import and for an offline session, beside other SDKs' credentials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nimbus_sdk.sandbox import Sandbox
from tests.qualification.benchmarks.measures import Row, Verdict

BARE = "python -c pass"
IMPORT = "import nimbus_sdk"
SESSION = "current_session(), NIMBUS_SDK_HOME"
PLATFORM_SESSION = "current_session(), platform folders"
HUGGING_FACE = "huggingface_hub.get_token()"
GOOGLE = "google.auth.load_credentials_from_file()"
BOTO = "boto3 credentials from a file"

IMPORT_LIMIT = 1 / 5
SESSION_LIMIT = 1 / 3
AGAIN_LIMIT_MICROSECONDS = 10.0
GATE_LIMIT_MICROSECONDS = 5.0

_ROOT = Path(__file__).parents[3]
_SESSION_CODE = "import nimbus_sdk\nassert nimbus_sdk.current_session().license_type == 'research'"
_AGAIN_CODE = """
import time, nimbus_sdk
from nimbus_sdk.core.license_gate import REQUIRED_FEATURES, requires_feature

def nothing(): pass

def median(call):
    call()
    rounds = []
    for _ in range(50):
        started = time.perf_counter()
        for _ in range(200):
            call()
        rounds.append((time.perf_counter() - started) / 200 * 1e6)
    return sorted(rounds)[25]

gate = requires_feature(nothing, REQUIRED_FEATURES["process_chunk"])
print(median(nimbus_sdk.current_session), median(gate) - median(nothing))
"""


@dataclass(frozen=True)
class Start:
    """A program of a few lines, and the environment it finds."""

    name: str
    code: str
    environ: Mapping[str, str]

    def milliseconds(self) -> tuple[float, float]:
        """Run it once: the time by the processor's clock, and by the one on the wall."""
        started = time.perf_counter()
        child = os.posix_spawn(sys.executable, [sys.executable, "-c", self.code], self.environ)
        _, status, used = os.wait4(child, 0)
        passed = time.perf_counter() - started
        if os.waitstatus_to_exitcode(status) != 0:
            raise AssertionError(f"{self.name} failed")
        return (used.ru_utime + used.ru_stime) * 1000, passed * 1000


def starts(folder: Path) -> list[Start]:
    """Everything that is compared, made ready; what is not installed is left out."""
    home = {"HOME": str(folder / "user"), "PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)}
    named = {**home, "NIMBUS_SDK_HOME": str(folder / "nimbus")}
    _sign_in(home, named)
    found = [
        Start(BARE, "pass", home),
        Start(IMPORT, "import nimbus_sdk", home),
        Start(SESSION, _SESSION_CODE, named),
        Start(PLATFORM_SESSION, _SESSION_CODE, home),
    ]
    if find_spec("huggingface_hub") is not None:
        found.append(_hugging_face(folder, home))
    if find_spec("google") is not None and find_spec("google.auth") is not None:
        found.append(_google(folder, home))
    if find_spec("boto3") is not None:
        found.append(_boto(folder, home))
    return found


def measured(programs: list[Start], rounds: int) -> tuple[list[Row], list[Row]]:
    """Run them in turns, so that a busy machine is as busy for each; one round before does not count.

    Returns:
        Time by the processor's clock, which is what the promises are held to, since it does not depend on
        what else the machine does; and time by the wall.
    """
    times: dict[str, list[tuple[float, float]]] = {program.name: [] for program in programs}
    for number in range(rounds + 1):
        for program in programs:
            spent = program.milliseconds()
            if number:
                times[program.name].append(spent)
    processor, wall = (
        [Row(name, tuple(value[clock] for value in values), "ms") for name, values in times.items()]
        for clock in (0, 1)
    )
    return processor, wall


def again(folder: Path) -> tuple[float, float]:
    """Microseconds of a second ``current_session()`` of the same process, and of a license gate."""
    environ = {"HOME": str(folder / "user"), "PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)}
    environ["NIMBUS_SDK_HOME"] = str(folder / "nimbus")
    done = subprocess.run(
        [sys.executable, "-c", _AGAIN_CODE], env=environ, check=True, capture_output=True, text=True
    )
    second, gate = map(float, done.stdout.split())
    return second, gate


def verdicts(rows: list[Row], second: float, gate: float) -> list[Verdict]:
    """What was promised, against what was measured."""
    cost = {row.name: row.median for row in rows}
    bare = cost[BARE]
    found = [
        Verdict("import, above bare Python", cost[IMPORT] - bare, bare * IMPORT_LIMIT, "ms"),
        Verdict("second current_session()", second, AGAIN_LIMIT_MICROSECONDS, "µs"),
        Verdict("a license gate, at each call", gate, GATE_LIMIT_MICROSECONDS, "µs"),
    ]
    if HUGGING_FACE in cost:
        limit = (cost[HUGGING_FACE] - bare) * SESSION_LIMIT
        found += [Verdict(f"{name}, above bare Python", cost[name] - bare, limit, "ms") for name in _SESSIONS]
    return found


_SESSIONS = (SESSION, PLATFORM_SESSION)


def _sign_in(*homes: Mapping[str, str]) -> None:
    code = "import sys, nimbus_sdk; nimbus_sdk.authenticate(sys.stdin.read())"
    with Sandbox() as sandbox:
        key = sandbox.new_key("research")
        for home in homes:
            environ = {**home, **sandbox.environment(), "NIMBUS_SDK_CREDENTIAL_STORE": "none"}
            Path(home["HOME"]).mkdir(exist_ok=True)
            subprocess.run([sys.executable, "-c", code], env=environ, input=key, text=True, check=True)


def _hugging_face(folder: Path, home: Mapping[str, str]) -> Start:
    (folder / "hf").mkdir()
    (folder / "hf" / "token").write_text("hf_" + "a" * 34)
    code = "from huggingface_hub import get_token\nassert get_token()"
    return Start(HUGGING_FACE, code, {**home, "HF_HOME": str(folder / "hf")})


def _google(folder: Path, home: Mapping[str, str]) -> Start:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "nobody",
        "private_key_id": "0",
        "private_key": private.decode(),
        "client_email": "nobody@nobody.iam.gserviceaccount.com",
        "client_id": "0",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    (folder / "account.json").write_text(json.dumps(account))
    path = str(folder / "account.json")
    return Start(GOOGLE, f"import google.auth\ngoogle.auth.load_credentials_from_file({path!r})", home)


def _boto(folder: Path, home: Mapping[str, str]) -> Start:
    (folder / "aws").write_text(
        f"[default]\naws_access_key_id = {'A' * 20}\naws_secret_access_key = {'b' * 40}\n"
    )
    code = "import boto3\nassert boto3.Session().get_credentials().method == 'shared-credentials-file'"
    return Start(BOTO, code, {**home, "AWS_SHARED_CREDENTIALS_FILE": str(folder / "aws")})
