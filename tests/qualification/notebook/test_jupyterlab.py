"""install_core without a key in JupyterLab, in a real browser, as a person would use it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox

webdriver = pytest.importorskip("selenium.webdriver")
nbformat = pytest.importorskip("nbformat", reason="needs jupyterlab and ipywidgets")
pytest.importorskip("jupyterlab", reason="needs jupyterlab and ipywidgets")
pytest.importorskip("ipywidgets", reason="needs jupyterlab and ipywidgets")
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.chrome.webdriver import WebDriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402
from selenium.webdriver.support import expected_conditions  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.qualification,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        BROWSER is None or DRIVER is None, reason="needs chromium and chromium-driver (Debian's packages)"
    ),
]
SECONDS = 120
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
ACTIVATE = """
const app = window.jupyterapp
const notebook = [...app.shell.widgets('main')].find((widget) => widget.context)
app.shell.activateById(notebook.id)
const kernel = notebook.sessionContext.session?.kernel
if (app.shell.currentWidget !== notebook || kernel?.status !== 'idle') return 0
"""
FIELD = "input[type=password]"
DRAWN = "Widgets are drawn."
CELLS = (
    f"import ipywidgets\nipywidgets.HTML('{DRAWN}')",
    "import nimbus_sdk\nsession = nimbus_sdk.install_core()",
    "session",
)


class Lab:
    """A notebook in a browser.

    Args:
        browser: The browser, which displays the notebook.
        path: The notebook's file.
    """

    def __init__(self, browser: WebDriver, path: Path) -> None:
        self.browser, self.path = browser, path

    def run(self, command: str) -> None:
        """Run a command of JupyterLab on the notebook."""
        script = f"{ACTIVATE}; app.commands.execute('{command}'); return 1"
        self.wait(lambda: self.browser.execute_script(script))

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is true."""
        ignored = [WebDriverException]
        WebDriverWait(self.browser, SECONDS, ignored_exceptions=ignored).until(lambda _: condition())

    def wait_for_text(self, text: str) -> None:
        """Wait until the cell of the installation shows a text."""
        self.wait(lambda: text in self.output())

    def output(self) -> str:
        """What the cell of the installation shows."""
        return self.browser.find_elements(By.CSS_SELECTOR, ".jp-OutputArea")[1].text

    def find(self, selector: str) -> WebElement:
        """Wait until an element can be seen and used, and return it."""
        return WebDriverWait(self.browser, SECONDS, ignored_exceptions=[WebDriverException]).until(
            expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, selector))
        )


@pytest.fixture(params=list(THEMES))
def lab(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab in a theme, which has drawn the widget of a notebook's first cell."""
    cells = map(nbformat.v4.new_code_cell, CELLS)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=list(cells), metadata={"kernelspec": kernel})
    (tmp_path / "files").mkdir()
    nbformat.write(notebook, tmp_path / "files" / "mine.ipynb")
    settings = tmp_path / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    theme = json.dumps({"theme": THEMES[request.param]})
    (settings / "themes.jupyterlab-settings").write_text(theme)
    folders = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    environ = {**os.environ, **folders, "IPYTHONDIR": str(tmp_path / "ipython")}
    environ.pop("NIMBUS_SDK_NO_PROGRESS", None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    options = {
        "ServerApp.token": "",
        "ServerApp.password": "",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "LabApp.expose_app_in_browser": True,
        "ServerApp.root_dir": tmp_path / "files",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *flags]
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    browser = _browser(tmp_path / "browser")
    try:
        found = Lab(browser, tmp_path / "files" / "mine.ipynb")
        found.wait(lambda: browser.get(f"http://127.0.0.1:{port}/lab/tree/mine.ipynb") is None)
        # What it asks the kernel to draw its first widget waits for a cell that runs already; the SDK would
        # use the prompt of JupyterLab then.
        found.run("notebook:run-cell-and-select-next")
        found.wait(lambda: DRAWN in browser.find_element(By.CSS_SELECTOR, ".jp-OutputArea").text)
        yield found
    finally:
        browser.save_screenshot(str(tmp_path / "notebook.png"))
        browser.quit()
        server.terminate()
        server.wait(30)


def _browser(profile: Path) -> WebDriver:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1200"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    # JupyterLab runs commands on what has the focus, which a page without a window does not get.
    browser.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
    return browser


def test_a_form_asks_for_the_key_and_one_line_stays(lab: Lab, key: str) -> None:
    """Wrong keys are explained, the right one installs, and the key is not in the notebook's file."""
    lab.run("notebook:run-cell-and-select-next")
    lab.wait_for_text("write to hello@nimbusbci.com")

    lab.find(FIELD).send_keys("nbci_test_1234")
    lab.find(".jupyter-button").click()
    lab.wait_for_text("is followed by 4 characters, not 48")
    lab.wait(lambda: lab.find(FIELD).get_attribute("value") == "")
    lab.find(FIELD).send_keys("nbci_test_" + "0" * 48 + Keys.ENTER)
    lab.wait_for_text("Invalid or inactive API key")

    lab.find(FIELD).send_keys(key + Keys.ENTER)
    lab.wait_for_text("✓ Core 0.1.0 is installed (research license)")
    lab.wait(lambda: not lab.browser.find_elements(By.CSS_SELECTOR, FIELD))
    lab.wait(lambda: len(lab.output().splitlines()) == 1)

    lab.run("notebook:run-all-cells")
    lab.wait(lambda: lab.browser.find_elements(By.CSS_SELECTOR, "details"))
    lab.run("docmanager:save")
    lab.wait(lambda: "All fields" in lab.path.read_text("utf-8"))
    assert key not in lab.path.read_text("utf-8")
    assert "password" not in lab.path.read_text("utf-8").lower()
