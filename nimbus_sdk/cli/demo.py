"""``nimbus-sdk demo``: the SDK's promise, kept before one's eyes."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import Annotated, TypeAlias

import typer

from nimbus_sdk.cli import render
from nimbus_sdk.cli.demo_chapters import Chapter, Check, Cut, Decoded, Installed, Kept, Started
from nimbus_sdk.cli.demo_telling import INTRODUCTION, show
from nimbus_sdk.cli.options import Json

_FAILED = 1


Keep: TypeAlias = Annotated[
    bool,
    typer.Option("--keep", help="Leave the sandbox running and print how to use it.", show_default=False),
]


def demo(keep: Keep = False, as_json: Json = False) -> None:
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
    began = time.perf_counter()
    chapters = _played(keep=keep, aloud=not as_json)
    seconds = round(time.perf_counter() - began, 2)
    held = all(chapter.held for chapter in chapters if isinstance(chapter, Check))
    if as_json:
        render.document({"held": held, "simulated": True, "seconds": seconds, **_document(chapters)})
    else:
        render.say("", f"{'Everything held' if held else 'Something did not hold'}, in {seconds:.1f} s.")
        for chapter in chapters:
            if isinstance(chapter, Kept):
                show(chapter)
    if not held:
        raise typer.Exit(_FAILED)


def _played(*, keep: bool, aloud: bool) -> list[Chapter]:
    from nimbus_sdk.cli.demo_run import play

    chapters: list[Chapter] = []

    def tell(chapter: Chapter) -> None:
        chapters.append(chapter)
        # What is kept comes below the verdict, ready to be copied.
        if aloud and not isinstance(chapter, Kept):
            show(chapter)

    if aloud:
        render.say(INTRODUCTION, "")
    play(tell, keep=keep, bars=aloud and sys.stderr.isatty())
    return chapters


def _document(chapters: list[Chapter]) -> dict[str, object]:
    kinds = {"started": Started, "installed": Installed, "cut": Cut, "decoded": Decoded, "kept": Kept}
    last = {type(chapter): asdict(chapter) for chapter in chapters}
    checks = [asdict(chapter) for chapter in chapters if isinstance(chapter, Check)]
    return {"checks": checks, **{name: last.get(kind) for name, kind in kinds.items()}}
