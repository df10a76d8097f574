"""``nimbus-sdk demo``: the SDK's promise, kept before one's eyes."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from typing import Annotated, TypeAlias

import typer

from nimbus_sdk.cli.demo.events import Begun, Chapter, Check, Cut, Decoded, Installed, Kept, Started
from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.options import Json
from nimbus_sdk.cli.ui.output import assignments

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
        output.document({"held": held, "simulated": True, "seconds": seconds, **_document(chapters)})
    else:
        output.say("", f"{'Everything held' if held else 'Something did not hold'}, in {seconds:.1f} s.")
        for chapter in chapters:
            if isinstance(chapter, Kept):
                show(chapter)
    if not held:
        raise typer.Exit(_FAILED)


def _played(*, keep: bool, aloud: bool) -> list[Chapter]:
    from nimbus_sdk.cli.demo.run import play

    chapters: list[Chapter] = []

    def tell(chapter: Chapter) -> None:
        chapters.append(chapter)
        # What is kept comes below the verdict, ready to be copied.
        if aloud and not isinstance(chapter, Kept):
            show(chapter)

    if aloud:
        output.say(INTRODUCTION, "")
    play(tell, keep=keep, bars=aloud and sys.stderr.isatty())
    return chapters


def _document(chapters: list[Chapter]) -> dict[str, object]:
    kinds = {"started": Started, "installed": Installed, "cut": Cut, "decoded": Decoded, "kept": Kept}
    last = {type(chapter): asdict(chapter) for chapter in chapters}
    checks = [asdict(chapter) for chapter in chapters if isinstance(chapter, Check)]
    return {"checks": checks, **{name: last.get(kind) for name, kind in kinds.items()}}


INTRODUCTION = "A sandbox stands in for the service; recordings and model are simulated."


def show(chapter: Chapter) -> None:
    """Print one chapter."""
    match chapter:
        case Begun():
            output.say(chapter.title)
        case Started():
            output.say(
                f"   {chapter.milliseconds:,.0f} ms: it serves on {chapter.api_url} "
                f"and issued the research key {chapter.key_masked}"
            )
        case Installed():
            _show_installed(chapter)
        case Cut(stopped=True):
            output.say(f"   {chapter.milliseconds:,.0f} ms: its process has ended, a request would fail")
        case Cut():
            output.say("   It goes on serving; its journal tells whether anything is asked")
        case Decoded():
            _show_decoded(chapter)
        case Check():
            mark = "held  " if chapter.held else "FAILED"
            output.say(f"   {mark}  {chapter.promise} ({chapter.seen})")
        case Kept():
            _show_kept(chapter)


def _show_installed(chapter: Installed) -> None:
    output.say(f"   {chapter.milliseconds:,.0f} ms, the start of the process included; what it asked for:")
    output.table(
        ("   request", "status", "at ms", "bytes"),
        [
            (f"   {request.endpoint}", ", ".join(map(str, request.statuses)), request.at_ms, request.bytes)
            for request in chapter.requests
        ],
    )


def _show_decoded(chapter: Decoded) -> None:
    found = chapter.found
    if found is None:
        return
    steps = ", ".join(f"{name} {spent:,.1f}" for name, spent in found["milliseconds"].items())
    output.say(
        f"   {chapter.milliseconds:,.0f} ms: {steps}",
        f"   {found['model']} on {found['trials']} simulated trials: accuracy {found['accuracy']:.1%} "
        f"(chance {found['chance']:.0%}), mean confidence {found['mean_confidence']:.2f}",
    )


def _show_kept(chapter: Kept) -> None:
    # PowerShell has `kill` and `rm` as names of its own for the same.
    remove = f"rm -r {chapter.folder}" if os.name == "posix" else f"rm -Recurse {chapter.folder}"
    output.say(
        "",
        f"# The sandbox goes on as process {chapter.pid}. To end it: kill {chapter.pid}; then: {remove}",
        "# Lines for the shell that is to use it, with the core that was just installed:",
        *assignments(chapter.environment),
    )
