"""Build the documentation site.

Every example runs on a sandbox; its output, its pictures and its code become the page of examples. The
changelog becomes a page, too. A broken link, and any other warning, ends the build with an error.

It needs the packages of the examples: ``pip install -e ".[dev]"``.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
CONFIGURATION = ".zensical.toml"
# Of the site, and of the examples.
_PACKAGES = (
    "zensical",
    "mkdocstrings",
    "starlette",
    "mne",
    "mne_lsl",
    "sklearn",
    "scipy",
    "matplotlib",
    "pytest",
)
_INTRODUCTION = """# Examples

Each of these programs runs as it is, on a sandbox that it starts itself; with `NIMBUS_API_KEY` set it uses
your license. The output and the pictures on this page are from a run on the sandbox, whose models were
trained on simulated EEG.
"""


def build(folder: Path) -> None:
    """Build the site into a folder, in place of what is there."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary)
        shutil.copytree(ROOT / "docs", project / "docs", ignore=shutil.ignore_patterns("__pycache__"))
        # The configuration is copied: a link would be resolved, and the pages of this checkout be used.
        shutil.copy(ROOT / CONFIGURATION, project)
        (project / "nimbus_sdk").symlink_to(ROOT / "nimbus_sdk")
        lines = gallery(project / "docs" / "gallery")
        (project / "docs" / "gallery.md").write_text("\n".join(lines), encoding="utf-8")
        changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
        (project / "docs" / "changelog.md").write_text(changes, encoding="utf-8")
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", CONFIGURATION]
        if subprocess.run(command, cwd=project, check=False).returncode:
            raise SystemExit("The site was not built: see what zensical says above.")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(project / "site", folder, ignore=shutil.ignore_patterns("*.py"))


def gallery(folder: Path) -> Iterator[str]:
    """Yield the lines of the page of examples; their pictures are saved in a folder beside it."""
    yield _INTRODUCTION
    for path in sorted(EXAMPLES.glob("[0-9]*.py")):
        source = path.read_text(encoding="utf-8")
        title = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
        work = folder / path.stem
        work.mkdir(parents=True)
        yield f"## {title.partition('. ')[0].rstrip('.')}\n"
        yield _block("text", _run(path, work), "Output")
        for picture in sorted(work.glob("*.png")):
            yield f"![{picture.stem}](gallery/{path.stem}/{picture.name})\n"
        code = _block("python", source, path.name)
        yield f'??? example "The program, {path.name}"\n\n{indent(code, "    ")}'


def _run(path: Path, work: Path) -> str:
    """Run an example in a folder, without settings of its user, and return what it prints."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NIMBUS_")}
    environ |= {"NIMBUS_SDK_HOME": str(work / "home"), "MPLBACKEND": "agg", "NO_COLOR": "1", "COLUMNS": "100"}
    runner = (
        ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"] if "def test_" in path.read_text() else []
    )
    command = [sys.executable, *runner, str(path)]
    done = subprocess.run(
        command, cwd=work, env=environ, stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{path.name} failed: the site was not built.")
    shutil.rmtree(work / "home", ignore_errors=True)
    return done.stdout


def main() -> None:
    """Read the command line, and build."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "site", help="default: site")
    folder = parser.parse_args().folder
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        parser.error(f'{", ".join(missing)} cannot be imported. Run `pip install -e ".[dev]"` first.')
    build(folder)


def _block(language: str, text: str, title: str) -> str:
    return f'```{language} title="{title}"\n{text.rstrip()}\n```\n'


if __name__ == "__main__":
    main()
