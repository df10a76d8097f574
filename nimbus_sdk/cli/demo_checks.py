"""What must hold at the end of the demo."""

from __future__ import annotations

from collections.abc import Iterator

from nimbus_sdk.cli.demo_chapters import Check, Decoded, Installed

EXPECTED = ("validate", "github_token", "release", "asset")
MARGIN = 0.25
"""By how much the accuracy must beat chance."""

_OK = 200


def checks_of_install(installed: Installed) -> Iterator[Check]:
    """The installation and its four requests."""
    yield Check(
        promise="The installation succeeded",
        held=installed.exit_code == 0 and installed.version is not None,
        seen=f"exit code {installed.exit_code}, core {installed.version}",
    )
    asked = tuple(request.endpoint for request in installed.requests)
    answered = all(request.statuses[-1] == _OK for request in installed.requests)
    yield Check(
        promise="It took four requests, in the documented order",
        held=asked == EXPECTED and answered,
        seen=", ".join(asked) or "none",
    )


def checks_of_decoding(decoded: Decoded, requests: int) -> Iterator[Check]:
    """The offline process.

    Args:
        decoded: What it did.
        requests: How many requests arrived at the sandbox meanwhile.
    """
    found = decoded.found
    if decoded.exit_code != 0 or found is None:
        yield Check(promise="Decoding offline succeeded", held=False, seen=f"exit code {decoded.exit_code}")
        return
    loaded = found["network_libraries"]
    yield Check(
        promise="Decoding asked for nothing over the network",
        held=requests == 0 and not loaded,
        seen=f"{requests} requests, network libraries loaded: {', '.join(loaded) or 'none'}",
    )
    yield Check(
        promise="The session is valid and not a stale one",
        held=not found["stale"],
        seen=f"{found['license_type']}, {'stale' if found['stale'] else 'not stale'}",
    )
    needed = found["chance"] + MARGIN
    yield Check(
        promise=f"Accuracy is above {needed:.0%}, far from the chance of {found['chance']:.0%}",
        held=found["accuracy"] >= needed,
        seen=f"{found['accuracy']:.1%}",
    )
