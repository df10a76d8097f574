"""``nimbus-sdk models``: what the service offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from nimbus_sdk.cli import render
from nimbus_sdk.cli.options import Json, Profile

if TYPE_CHECKING:
    from nimbus_sdk.models import ModelInfo


Name: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Only this model, with all that is known.")
]
Paradigm: TypeAlias = Annotated[
    str | None, typer.Option("--paradigm", metavar="NAME", help="Only these, such as motor_imagery.")
]
Kind: TypeAlias = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="NimbusLDA, NimbusQDA or NimbusProbit.")
]

_COLUMNS = ("name", "type", "paradigm", "n_features", "n_classes", "size_mb", "requires_license", "covered")


def models(
    name: Name = None,
    paradigm: Paradigm = None,
    model_type: Kind = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """List the pre-trained models that the service offers, or show one.

    "covered" says whether the license of the kept session includes the model.

    \b
    JSON: models [{name, version, type, paradigm, n_features, n_classes, size_mb, download_url, checksum,
    requires_license, metadata, covered (null without a session)}], total; with NAME that one object

    \b
    Examples:
      nimbus-sdk models --paradigm motor_imagery
      nimbus-sdk models motor_imagery_4class_v1 --json
    """
    from nimbus_sdk.catalogue import get_model_info, list_available_models

    license_type = _license_type(profile)
    if name is not None:
        _show_one(_facts(get_model_info(name, profile=profile), license_type), as_json=as_json)
        return
    found = list_available_models(paradigm, model_type, profile=profile)
    listed = [_facts(model, license_type) for model in found]
    if as_json:
        render.document({"models": listed, "total": len(listed)})
    else:
        headers = [column.replace("_", " ") for column in _COLUMNS]
        render.table(headers, [[model[column] for column in _COLUMNS] for model in listed])


def _show_one(model: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        render.document(model)
        return
    metadata = model.pop("metadata")
    render.facts([*model.items(), *(metadata.items() if isinstance(metadata, dict) else ())])


def _facts(model: ModelInfo, license_type: str | None) -> dict[str, object]:
    return {**model.model_dump(mode="json"), "covered": _covered(model, license_type)}


def _covered(model: ModelInfo, license_type: str | None) -> bool | None:
    from nimbus_sdk.catalogue import covers

    return None if license_type is None else covers(license_type, model.requires_license)


def _license_type(profile: str | None) -> str | None:
    from nimbus_sdk.errors import SessionError
    from nimbus_sdk.session_in_use import current_session

    try:
        return current_session(profile=profile).license_type
    except SessionError:
        # The list is the service's; only the column of what the license covers stays empty.
        return None
