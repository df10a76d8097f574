"""``nimbus-sdk models``: the pre-trained models of the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import nimbus_sdk
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json, Profile, argument, local_models, option
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import NimbusConnectionError, SessionError
from nimbus_sdk.transport.redaction import mask_keys

if TYPE_CHECKING:
    from nimbus_sdk.api.schemas import ModelInfo

_PARADIGMS = ("motor_imagery", "p300", "ssvep")
_TYPES = ("NimbusLDA", "NimbusQDA", "NimbusProbit")
_COLUMNS = {
    "name": "name",
    "type": "type",
    "paradigm": "paradigm",
    "classes": "n_classes",
    "license": "requires_license",
    "covered": "covered",
}


def models(
    name: Annotated[
        str | None, argument("NAME", "Show this model with all its fields.", local_models)
    ] = None,
    paradigm: Annotated[
        str | None,
        option("--paradigm NAME", "Only models of this paradigm, such as motor_imagery.", _PARADIGMS),
    ] = None,
    model_type: Annotated[
        str | None,
        option("--type TYPE", "Only models of this type: NimbusLDA, NimbusQDA or NimbusProbit.", _TYPES),
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """List the pre-trained models of the service, or show one.

    "license" is the lowest tier that may load a model; "covered" says whether your license does. If the
    service cannot be reached, the models on this machine are listed.

    JSON: models [{name, version, type, paradigm, n_features, n_classes, size_mb, download_url, checksum,
    requires_license, metadata, covered (null without a session)}], total, note (null); with NAME that one
    object. Offline: models [{name, origin, path}], total, note (why the service was not asked)

    Examples:
      nimbus-sdk models --paradigm motor_imagery
      nimbus-sdk models motor_imagery_4class_v1 --json
    """
    license_type = _license_type(profile)
    try:
        found = _request_models(name, paradigm, model_type, profile)
    except NimbusConnectionError as error:
        if paradigm is not None or model_type is not None:
            # Only the service knows the paradigm and the type of a model.
            raise
        _show_local(name, error, as_json=as_json)
        return
    listed = [_facts(model, license_type) for model in found]
    if name is not None:
        rows = [(field, value) for field, value in listed[0].items() if field != "metadata"]
        output.show_fields(listed[0], [*rows, *found[0].metadata.items()], as_json=as_json)
    elif listed or as_json:
        table = [[model[field] for field in _COLUMNS.values()] for model in listed]
        values = {"models": listed, "total": len(listed), "note": None}
        output.show_table(values, list(_COLUMNS), table, as_json=as_json)
    else:
        offered = nimbus_sdk.list_available_models(profile=profile)
        output.print_text(*_explain_no_match(paradigm, model_type, offered))


def _request_models(
    name: str | None, paradigm: str | None, model_type: str | None, profile: str | None
) -> Sequence[ModelInfo]:
    from nimbus_sdk.transport.driver import offline_error

    if Settings.load(profile=profile).offline:
        # Before a key is looked for, which may be missing.
        raise offline_error("models")
    if name is not None:
        return [nimbus_sdk.get_model_info(name, profile=profile)]
    return nimbus_sdk.list_available_models(paradigm, model_type, profile=profile)


def _show_local(name: str | None, error: NimbusConnectionError, *, as_json: bool) -> None:
    """Print the models on this machine, or one of them; raise the error if there is none."""
    from nimbus_sdk.core.model_download import find_local_models

    models = [asdict(each) for each in find_local_models(Settings.load().paths) if name in (None, each.name)]
    if not models:
        raise error
    if name is not None:
        output.show_fields({**models[0], "note": error.message}, as_json=as_json)
        return
    values = {"models": models, "total": len(models), "note": error.message}
    output.show_table(values, ("name", "origin"), [(m["name"], m["origin"]) for m in models], as_json=as_json)
    if not as_json:
        output.print_text("", f"These are the models on this machine. {error.message}")


def _explain_no_match(
    paradigm: str | None, model_type: str | None, offered: Sequence[ModelInfo]
) -> list[str]:
    """Return lines that say what was asked for and what the service offers."""
    if not offered:
        return ["The service offers no models."]
    given = (("--paradigm", paradigm), ("--type", model_type))
    wanted = [f"{name} {value}" for name, value in given if value]
    paradigms, types = ({getattr(model, field) for model in offered} for field in ("paradigm", "type"))
    return [
        mask_keys(f"No models match {' '.join(wanted)}."),
        f"Paradigms: {', '.join(sorted(paradigms))}. Types: {', '.join(sorted(types))}.",
    ]


def _facts(model: ModelInfo, license_type: str | None) -> dict[str, object]:
    from nimbus_sdk.core.model_registry import covers

    covered = None if license_type is None else covers(license_type, model.requires_license)
    return {**model.model_dump(mode="json"), "covered": covered}


def _license_type(profile: str | None) -> str | None:
    try:
        return nimbus_sdk.current_session(profile=profile).license_type
    except SessionError:
        # Only the column "covered" stays empty.
        return None
