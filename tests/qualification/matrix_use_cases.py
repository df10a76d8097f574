"""The use cases of the matrix: where each starts, which requests it sends, and what it leaves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from nimbus_sdk.account.authentication import authenticate_flow
from nimbus_sdk.account.refresh import refresh_flow
from nimbus_sdk.account.revocation import revoke_flow
from nimbus_sdk.account.session_lookup import stored_session
from nimbus_sdk.api import endpoints
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.install import install_flow
from nimbus_sdk.core.model_download import fetch_model_flow
from nimbus_sdk.core.model_registry import list_models_flow
from nimbus_sdk.core.wheel import manifest, verify
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.storage import sealed
from nimbus_sdk.storage.credentials import read_stored_key
from nimbus_sdk.transport.driver import run
from nimbus_sdk.transport.flow import Flow
from tests.qualification.faulty_proxy import FaultyProxy

Start = Literal["empty", "known", "aged", "another"]
"""Nothing; a session and its key; the core and a session of two hours ago; a core of another account."""

ResultKind = Literal["core", "session", "model", "revocation", "nothing"]
"""A core with its session, a session, a model's file, the end of session and key, or nothing new."""

Trait = frozenset[str]


@dataclass(frozen=True)
class Step:
    """One request of a use case.

    Attributes:
        name: The name of the request.
        traits: Which faults apply to it.
        repeatable: Whether it may be sent again if its response was lost.
    """

    name: str
    traits: Trait
    repeatable: bool = True

    @property
    def at_the_api(self) -> bool:
        """Whether it goes to the Nimbus service, and not to GitHub."""
        return "api" in self.traits


_API = frozenset({"any", "api", "json", "body", "long body"})
VALIDATE = Step("validate", _API)
TOKEN = Step("github_token", _API)
RELEASE = Step("release", frozenset({"any", "json", "body", "long body", "digest"}))
ASSET = Step("asset", frozenset({"any"}))
STORAGE = Step("storage", frozenset({"any", "body", "long body", "digest"}))
REFRESH = Step("refresh", _API)
REVOKE = Step("revoke", _API)
MODELS = Step("models", _API)
MODEL_SIZE = Step("model_size", frozenset({"any", "api", "body"}))
MODEL_FILE = Step("model_file", frozenset({"any", "api", "body", "long body", "digest"}))
ANALYTICS = Step("analytics", _API, repeatable=False)


@dataclass(frozen=True)
class UseCase:
    """What a user does.

    Attributes:
        name: For the table.
        start: What is on the disk before it.
        steps: Its requests, in order.
        flow: Makes the flow from settings and key.
        result_kind: What is new on the disk afterwards.
        stale_after: Kinds of failure after which the stored session is used instead.
        seconds: How long it may take if the stored session can be used instead.
    """

    name: str
    start: Start
    steps: tuple[Step, ...]
    flow: Callable[[Settings, ApiKey], Flow[object]]
    result_kind: ResultKind
    stale_after: frozenset[str] = frozenset()
    seconds: float | None = None


def _install(settings: Settings, key: ApiKey) -> Flow[object]:
    return install_flow(settings, key, force=False, version=None, report=lambda event: None)


def _install_over(settings: Settings, key: ApiKey) -> Flow[object]:
    return install_flow(settings, key, force=True, version=None, report=lambda event: None)


def _install_again(settings: Settings, key: ApiKey) -> Flow[object]:
    return install_flow(settings, None, force=False, version=None, report=lambda event: None)


def _log(settings: Settings, key: ApiKey) -> Flow[object]:
    return endpoints.log_event(settings.api_url, key, "inference", {"duration_ms": 3.5})


NO_ANSWER = frozenset({"connection", "format", "failure"})
"""The service was not reached or failed, or the response is not from it: the key was not rejected."""

MODEL = "p300_binary_v1"
CORE = (VALIDATE, TOKEN, RELEASE, ASSET, STORAGE)


def _authenticate(settings: Settings, key: ApiKey) -> Flow[object]:
    return authenticate_flow(settings, key, offline_mode=False)


def _fetch_model(settings: Settings, key: ApiKey) -> Flow[object]:
    return fetch_model_flow(settings, MODEL, lambda event: None)


USE_CASES = (
    UseCase("install", "empty", CORE, _install, "core"),
    UseCase("install over another", "another", CORE, _install_over, "core"),
    UseCase(
        "install again", "aged", (REFRESH,), _install_again, "session", NO_ANSWER | {"quota"}, seconds=3.0
    ),
    UseCase("authenticate", "empty", (VALIDATE,), _authenticate, "session"),
    UseCase("authenticate again", "known", (VALIDATE,), _authenticate, "session", NO_ANSWER),
    UseCase("refresh", "known", (REFRESH,), lambda settings, _: refresh_flow(settings), "session"),
    UseCase(
        "revoke", "known", (REVOKE,), lambda settings, _: revoke_flow(settings, None, "lost"), "revocation"
    ),
    UseCase(
        "models", "known", (MODELS,), lambda settings, _: list_models_flow(settings, None, None), "nothing"
    ),
    UseCase("fetch a model", "known", (MODELS, MODEL_SIZE, MODEL_FILE), _fetch_model, "model"),
    UseCase("log an event", "empty", (ANALYTICS,), _log, "nothing"),
)


@dataclass(frozen=True)
class HomeState:
    """What is in a home: the session, the core, the stored key and the models.

    Attributes:
        session: Fingerprint of the session's key, or None.
        validated_at: When the service validated the session.
        core: Id of the core in use, or None.
        key: Fingerprint of the stored key, or None.
        models: Names of the models' files.
    """

    session: str | None
    validated_at: datetime | None
    core: str | None
    key: str | None
    models: tuple[str, ...]


def read_home_state(settings: Settings) -> HomeState:
    """Return what is in a home.

    Raises:
        AssertionError: The core is damaged.
        NimbusError: Something else is damaged.
    """
    paths = settings.paths
    session = stored_session(paths)
    core = manifest.find_core(paths.core)
    broken = () if core is None else verify.check_installed(core.folder)
    if broken:
        raise AssertionError(f"the core is not whole: {broken}")
    stored = read_stored_key(settings).key
    return HomeState(
        session=None if session is None else session.key_fingerprint,
        validated_at=None if session is None else session.validated_at,
        core=None if core is None else core.install_id,
        key=None if stored is None else stored.fingerprint,
        models=tuple(sorted(os.listdir(paths.models))) if os.path.isdir(paths.models) else (),
    )


class Homes:
    """Creates the homes in which use cases start.

    Args:
        folder: Where the homes are.
        sandbox: The service.
    """

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self._folder = folder
        self._repository = sandbox.environment()["NIMBUS_SDK_CORE_REPO"]
        self._template = folder / "template"
        self._github_path = sandbox.github_url.removeprefix(sandbox.api_url)
        settings = Settings(
            api_url=sandbox.api_url,
            github_url=sandbox.github_url,
            core_repo=self._repository,
            home=str(self._template),
            credential_store="file",
            no_progress=True,
        )
        run(settings, _install(settings, ApiKey.parse(sandbox.new_key("research"))))

    def settings(self, name: str, proxy: FaultyProxy, timeout: float) -> Settings:
        """Return settings that use a proxy, for a home with this name."""
        return Settings(
            api_url=proxy.api_url,
            github_url=proxy.api_url + self._github_path,
            core_repo=self._repository,
            home=str(self._folder / name),
            credential_store="file",
            timeout=timeout,
            no_progress=True,
        )

    def prepare(self, settings: Settings, start: Start, keys: Mapping[str, ApiKey]) -> None:
        """Prepare a home for the start of a use case.

        Args:
            settings: They name the home.
            start: What must be there.
            keys: ``own`` is the use case's, ``other`` another account's.
        """
        if start in ("aged", "another"):
            shutil.copytree(self._template, str(settings.home))
        if start != "empty":
            with_long_timeout = replace(settings, timeout=30.0)
            key = keys["other" if start == "another" else "own"]
            run(with_long_timeout, authenticate_flow(with_long_timeout, key, offline_mode=False))
        if start == "aged":
            age_session(settings, timedelta(hours=2))


def age_session(settings: Settings, age: timedelta) -> None:
    """Make the stored session older."""
    paths = settings.paths
    record = sealed.read_session(paths)
    assert record is not None
    then = datetime.now(UTC) - age
    sealed.write_session(paths, {**record, "validated_at": then.isoformat()})
