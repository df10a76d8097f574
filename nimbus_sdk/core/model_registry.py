"""List the pre-trained models of the service, and check which of them the license covers."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from nimbus_sdk import api
from nimbus_sdk.account import rejected_keys
from nimbus_sdk.account.session_lookup import find_session
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.errors.suggestions import find_near, list_choices
from nimbus_sdk.storage import key_lookup
from nimbus_sdk.transport.flow import Flow, run_blocking
from nimbus_sdk.transport.sync_async import Prepared, make_pair

Paradigm: TypeAlias = Literal["motor_imagery", "p300", "ssvep"]
ModelType: TypeAlias = Literal["NimbusLDA", "NimbusQDA", "NimbusProbit"]
_RANK = {"free": 0, "trial": 0, "research": 1, "commercial": 2, "enterprise": 3}


def list_models_flow(
    settings: Settings, paradigm: str | None, model_type: str | None
) -> Flow[tuple[api.ModelInfo, ...]]:
    """Request the pre-trained models."""
    from nimbus_sdk.api import endpoints

    found = yield from run_blocking(lambda: key_lookup.find_key(settings))
    flow = endpoints.list_models(settings.api_url, found.key, paradigm, model_type)
    models = yield from rejected_keys.record_rejection(settings, found.key, flow)
    if not models:
        # The service may know more than this version, so a word is wrong only if nothing came back.
        _require_known("paradigm", paradigm, get_args(Paradigm))
        _require_known("model_type", model_type, get_args(ModelType))
    return models


def _require_known(name: str, word: str | None, known: tuple[str, ...]) -> None:
    if word is not None and word not in known and find_near(word, known) is not None:
        raise ConfigurationError(
            f"The service has no model whose {name} is {word!r}.", hint=list_choices(word, known)
        )


def find_model_flow(settings: Settings, name: str) -> Flow[api.ModelInfo]:
    """Request one model."""
    models = yield from list_models_flow(settings, None, None)
    for model in models:
        if model.name == name:
            return model
    names = sorted(model.name for model in models)
    near = find_near(name, names)
    meant = "" if near is None else f"Did you mean {near!r}? "
    offered = ", ".join(names) or "none"
    raise ConfigurationError(f"There is no model {name!r}.", hint=f"{meant}The service offers: {offered}.")


def check_license_flow(settings: Settings, name: str) -> Flow[bool]:
    """Return whether the session's license tier covers a model."""
    session, model = yield from find_session_and_model_flow(settings, name)
    return covers(session.license_type, model.requires_license)


def find_session_and_model_flow(settings: Settings, name: str) -> Flow[tuple[SessionRecord, api.ModelInfo]]:
    """Find the session on this machine, and request one model."""
    key = yield from run_blocking(lambda: key_lookup.find_key_without_store(settings))
    session = yield from run_blocking(lambda: find_session(settings.paths, key))
    return session, (yield from find_model_flow(settings, name))


def covers(license_type: str, required: str) -> bool:
    """Return whether a license tier includes what requires another tier.

    A tier that is not known here counts as sufficient: the service decides when the model is fetched.
    """
    have, need = _RANK.get(license_type), _RANK.get(required)
    return have is None or need is None or have >= need


def _list_available_models(
    paradigm: Paradigm | str | None = None,
    model_type: ModelType | str | None = None,
    *,
    profile: str | None = None,
) -> Prepared[tuple[api.ModelInfo, ...]]:
    """Return the pre-trained models that the service offers.

    Args:
        paradigm: Only these, such as ``motor_imagery``.
        model_type: Only these: ``NimbusLDA``, ``NimbusQDA``, ``NimbusProbit``.
        profile: Which account.
    """
    settings = Settings.load(profile=profile)
    return settings, list_models_flow(settings, paradigm, model_type)


list_available_models, list_available_models_async = make_pair(_list_available_models)


def _get_model_info(name: str, *, profile: str | None = None) -> Prepared[api.ModelInfo]:
    """Return what the service publishes about one model.

    Raises:
        ConfigurationError: There is no such model; the message lists the models.
    """
    settings = Settings.load(profile=profile)
    return settings, find_model_flow(settings, name)


get_model_info, get_model_info_async = make_pair(_get_model_info)


def _check_model_license_compatibility(name: str, *, profile: str | None = None) -> Prepared[bool]:
    """Return whether the session's license tier covers a model.

    Raises:
        SessionError: There is no valid session.
        ConfigurationError: There is no such model.
    """
    settings = Settings.load(profile=profile)
    return settings, check_license_flow(settings, name)


check_model_license_compatibility, check_model_license_compatibility_async = make_pair(
    _check_model_license_compatibility
)
