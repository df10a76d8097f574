"""The demo's chapters in words."""

from __future__ import annotations

import os

from nimbus_sdk.cli import render
from nimbus_sdk.cli.demo_chapters import Chapter, Check, Cut, Decoded, Installed, Kept, Started
from nimbus_sdk.cli.shell import assignments


def show(chapter: Chapter) -> None:
    """Print one chapter."""
    match chapter:
        case Started():
            render.say(
                f"1. A sandbox serves on {chapter.api_url}, in a process of its own.  "
                f"[{chapter.milliseconds:,.0f} ms]",
                f"   It issued the research key {chapter.key_masked}.",
            )
        case Installed():
            _show_installed(chapter)
        case Cut(stopped=True):
            render.say("3. The sandbox has ended; there is nobody left to ask.")
        case Cut():
            render.say("3. The sandbox goes on, and its journal is watched.")
        case Decoded():
            _show_decoded(chapter)
        case Check():
            mark = "held  " if chapter.held else "FAILED"
            render.say(f"   {mark}  {chapter.promise} ({chapter.seen})")
        case Kept():
            _show_kept(chapter)


def _show_installed(chapter: Installed) -> None:
    render.say(
        f"2. `nimbus-sdk install --key-stdin` ran in a fresh process.  [{chapter.milliseconds:,.0f} ms]"
    )
    render.table(
        ("   request", "status", "at ms", "bytes"),
        [
            (f"   {request.endpoint}", ", ".join(map(str, request.statuses)), request.at_ms, request.bytes)
            for request in chapter.requests
        ],
    )


def _show_decoded(chapter: Decoded) -> None:
    render.say(f"4. Another fresh process, with NIMBUS_SDK_OFFLINE=1.  [{chapter.milliseconds:,.0f} ms]")
    found = chapter.found
    if found is None:
        return
    steps = ", ".join(f"{name} {spent:,.1f} ms" for name, spent in found["milliseconds"].items())
    render.say(
        f"   {steps}",
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
