"""``nimbus-sdk demo``: the SDK's promise, kept before one's eyes."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from nimbus_sdk.cli import render
from nimbus_sdk.cli.options import Json

if TYPE_CHECKING:
    from nimbus_sdk.cli.demo_chapters import Chapter

_FAILED = 1


def demo(
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave the sandbox running and print how to use it.", show_default=False),
    ] = False,
    as_json: Json = False,
) -> None:
    """Install a core and decode with it offline, on this machine alone.

    It needs no account and no internet: a sandbox stands in for the service, recordings and model are
    simulated. Nothing of it touches your own profile: it happens in a temporary folder, which is removed.
    Ends with 0 only if every check held.

    \b
    JSON: held, simulated, seconds, started, installed {requests}, cut, decoded {found}, checks
    [{promise, held, seen}], kept {pid, folder, environment} or null

    \b
    Examples:
      nimbus-sdk demo
      nimbus-sdk demo --keep
    """
    from nimbus_sdk.cli.demo_chapters import Check
    from nimbus_sdk.cli.demo_run import play
    from nimbus_sdk.cli.demo_telling import show

    began = time.perf_counter()
    chapters: list[Chapter] = []

    def tell(chapter: Chapter) -> None:
        chapters.append(chapter)
        if not as_json:
            show(chapter)

    if not as_json:
        render.say("A sandbox stands in for the service; recordings and model are simulated.", "")
    play(tell, keep=keep, bars=not as_json and sys.stderr.isatty())
    held = all(chapter.held for chapter in chapters if isinstance(chapter, Check))
    seconds = round(time.perf_counter() - began, 2)
    if as_json:
        render.document({"held": held, "simulated": True, "seconds": seconds, **_document(chapters)})
    else:
        render.say("", f"{'Everything held' if held else 'Something did not hold'}, in {seconds:.1f} s.")
    if not held:
        raise typer.Exit(_FAILED)


def _document(chapters: list[Chapter]) -> dict[str, object]:
    from nimbus_sdk.cli.demo_chapters import Check, Cut, Decoded, Installed, Kept, Started

    kinds = {"started": Started, "installed": Installed, "cut": Cut, "decoded": Decoded, "kept": Kept}
    last = {type(chapter): asdict(chapter) for chapter in chapters}
    checks = [asdict(chapter) for chapter in chapters if isinstance(chapter, Check)]
    return {"checks": checks, **{name: last.get(kind) for name, kind in kinds.items()}}
