"""Write the parts of the pages that are computed from the code: ``python docs/generate.py``.

They are between ``<!-- computed: NAME -->`` and ``<!-- end -->``; everything else is written by hand. With
``--check`` nothing is written, and the exit code is 1 if a page is out of date.
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nimbus_sdk import errors
from nimbus_sdk.cli import app
from nimbus_sdk.cli.ui.groups import list_exit_codes
from nimbus_sdk.config import settings
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import NimbusError
from nimbus_sdk.transport.status_errors import BY_CODE, BY_STATUS

FOLDER = Path(__file__).parent
_COMPUTED = re.compile(r"(<!-- computed: ([\w-]+) -->\n\n).*?(?=<!-- end -->)", re.DOTALL)
_VALUES = {
    "base_url": "an https URL; http for `127.0.0.1`, `localhost` and `::1` alone",
    "_parse_repo": "`owner/repo`",
    "_parse_path": "a path",
    "_parse_profile": "1 to 64 letters (case does not count), digits, `.`, `-`, `_`; no `.` at either end",
    "_parse_switch": "`1` or `0`",
    "_parse_store": "`keyring`, `file` or `none`",
    "_parse_seconds": "seconds, above 0 and below 86400",
}


def settings_table() -> str:
    """Every setting: its variable, meaning, value and default, and whether a ``.env`` may set it."""
    meanings, defaults = _attributes(Settings), Settings()
    rows = [("`NIMBUS_API_KEY`", "The API key; see below.", "`nbci_live_…` or `nbci_test_…`", "-", "yes")]
    for name, (variable, read) in settings._TABLE.items():
        by_folder = "no" if variable in settings._NOT_FROM_DOTENV else "yes"
        default = _shown(getattr(defaults, name))
        rows.append((f"`{variable}`", meanings[name], _VALUES[read.__name__], default, by_folder))
    return _table(("variable", "meaning", "value", "default", "in `.env`"), rows)


def errors_table() -> str:
    """The error tree: when each error is raised, and its exit code."""
    rows = []
    for kind, depth in _kinds(NimbusError):
        indent = "&nbsp;" * 4 * depth
        rows.append((f"{indent}`{kind.__name__}`", _summary(kind), _answers(kind), str(kind.exit_code)))
    return _table(("error", "when", "code or status of the service", "exit code"), rows)


def advice_table() -> str:
    """What each error advises."""
    rows = [(f"`{kind.__name__}`", kind.advice) for kind, _ in _kinds(NimbusError) if kind.advice]
    return _table(("error", "hint"), rows)


def exit_codes_table() -> str:
    """The exit codes of the command line."""
    return _table(("code", "meaning"), ((str(code), meaning) for code, meaning in list_exit_codes()))


def commands() -> str:
    """Every command with its options."""
    parts = []
    for path, command in _commands(app.command, "nimbus-sdk"):
        help_parts = inspect.cleandoc(command.help or "").split("\n\n")
        parts.append("\n\n".join([f"## {path}", *map(_as_markdown, help_parts), _options(command)]).rstrip())
    return "\n\n".join(parts) + "\n"


def rooms() -> str:
    """A picture of the rooms, from the rules on who may import whom."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))
    rules = project["tool"]["importlinter"]["contracts"]
    layers = next(rule["layers"] for rule in rules if rule["type"] == "layers")
    lines = [layer.replace(" | ", "  ") for layer in layers]
    return "\n".join(["```text", *lines, "```", ""])


COMPUTED: Mapping[str, Callable[[], str]] = {
    "settings": settings_table,
    "errors": errors_table,
    "advice": advice_table,
    "exit-codes": exit_codes_table,
    "commands": commands,
    "rooms": rooms,
}


def up_to_date(page: str) -> str:
    """The text of a page with its computed parts brought up to date."""
    return _COMPUTED.sub(lambda found: f"{found[1]}{COMPUTED[found[2]]()}\n", page)


def stale() -> list[Path]:
    """The pages that are out of date."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.md"))}
    return [path for path, text in texts.items() if up_to_date(text) != text]


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (headers, ("---",) * len(headers), *rows))


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return f"`{int(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _attributes(kind: type) -> dict[str, str]:
    """What a docstring's section "Attributes" says, by name."""
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    pairs = (line.strip().partition(": ") for line in re.sub(r"\n {5,}", " ", section).splitlines())
    return {name: _of_a_variable(text.replace("``", "`")) for name, _, text in pairs}


def _of_a_variable(text: str) -> str:
    """What is said of None, for a variable that is not set."""
    return re.sub(r", or None(?: for)? ", "; unset: ", text).replace(", or None.", ".")


def _kinds(base: type[NimbusError], depth: int = 0) -> Iterator[tuple[type[NimbusError], int]]:
    yield base, depth
    for kind in base.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from _kinds(kind, depth + 1)


def _summary(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def _answers(kind: type[NimbusError]) -> str:
    codes = [f"`{code}`" for code, known in BY_CODE.items() if known is kind]
    return ", ".join([*codes, *(str(status) for status, known in BY_STATUS.items() if known is kind)]) or "-"


# typer brings click's classes under names that differ from version to version, so they stay unnamed here.
def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, f"{path} {name}")


def _as_markdown(part: str) -> str:
    """A paragraph of help; examples and the description of the JSON become blocks."""
    is_block = part.startswith(("\b\n", "JSON"))
    return "```text\n{}\n```".format(part.removeprefix("\b\n")) if is_block else part


def _options(command: Any) -> str:
    rows = []
    for option in command.params:
        if option.hidden or "--help" in option.opts or "completion" in option.opts[0]:
            continue
        names = ", ".join([*option.opts, *option.secondary_opts])
        if option.param_type_name == "argument":
            names = option.metavar or names.upper()
        elif option.metavar:
            names += f" {option.metavar}"
        rows.append((f"`{names}`", f"{option.help}{_default(option)}"))
    return _table(("option", "meaning"), rows) if rows else ""


def _default(option: Any) -> str:
    if option.required:
        return " Required."
    default = option.default
    return "" if default is None or default is False else f" Default: `{default}`."


def main(arguments: list[str]) -> int:
    """Write or check all pages."""
    pages = stale()
    if "--check" in arguments:
        for path in pages:
            sys.stdout.write(f"{path} is stale: run python docs/generate.py\n")
        return 1 if pages else 0
    for path in pages:
        path.write_text(up_to_date(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
