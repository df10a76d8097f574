"""The demo's chapters in words."""

from __future__ import annotations

import os

from nimbus_sdk.cli import render
from nimbus_sdk.cli.demo_chapters import Begun, Chapter, Check, Cut, Decoded, Installed, Kept, Started
from nimbus_sdk.cli.shell import assignments

INTRODUCTION = "A sandbox stands in for the service; recordings and model are simulated."


def show(chapter: Chapter) -> None:
    """Print one chapter."""
    match chapter:
        case Begun():
            render.say(chapter.title)
        case Started():
            render.say(
                f"   {chapter.milliseconds:,.0f} ms: it serves on {chapter.api_url} "
                f"and issued the research key {chapter.key_masked}"
            )
        case Installed():
            _show_installed(chapter)
        case Cut(stopped=True):
            render.say(f"   {chapter.milliseconds:,.0f} ms: its process has ended, a request would fail")
        case Cut():
            render.say("   It goes on serving; its journal tells whether anything is asked")
        case Decoded():
            _show_decoded(chapter)
        case Check():
            mark = "held  " if chapter.held else "FAILED"
            render.say(f"   {mark}  {chapter.promise} ({chapter.seen})")
        case Kept():
            _show_kept(chapter)


def _show_installed(chapter: Installed) -> None:
    render.say(f"   {chapter.milliseconds:,.0f} ms, the start of the process included; what it asked for:")
    render.table(
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
    render.say(
        f"   {chapter.milliseconds:,.0f} ms: {steps}",
        f"   {found['model']} on {found['trials']} simulated trials: accuracy {found['accuracy']:.1%} "
        f"(chance {found['chance']:.0%}), mean confidence {found['mean_confidence']:.2f}",
    )


def _show_kept(chapter: Kept) -> None:
    # PowerShell has `kill` and `rm` as names of its own for the same.
    remove = f"rm -r {chapter.folder}" if os.name == "posix" else f"rm -Recurse {chapter.folder}"
    render.say(
        "",
        f"# The sandbox goes on as process {chapter.pid}. To end it: kill {chapter.pid}; then: {remove}",
        "# Lines for the shell that is to use it, with the core that was just installed:",
        *assignments(chapter.environment),
    )
