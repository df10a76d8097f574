"""The page, used as a person would: with a mouse, with a keyboard, light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import httpx
import pytest

from nimbus_sdk.sandbox import Sandbox

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.chrome.webdriver import WebDriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.qualification,
    pytest.mark.skipif(
        BROWSER is None or DRIVER is None, reason="needs chromium and chromium-driver (Debian's packages)"
    ),
]
SECONDS = 30


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A browser without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    profile = tmp_path_factory.mktemp("browser")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,2000"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: WebDriver, sandbox: Sandbox) -> Iterator[WebDriver]:
    """The page of a sandbox; no error may be in the browser's console at the end."""
    browser.get("about:blank")
    # The page of the test before may have asked its sandbox once more, which had ended.
    browser.get_log("browser")
    browser.get(sandbox.page_url)
    wait_for(browser, lambda: browser.find_element(By.ID, "content").is_displayed())
    yield browser
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def wait_for(browser: WebDriver, condition) -> None:
    """Wait until a condition is true."""
    # The page draws its tables again while the test reads them.
    wait = WebDriverWait(browser, SECONDS, ignored_exceptions=[StaleElementReferenceException])
    wait.until(lambda _: condition())


def find(browser: WebDriver, selector: str) -> WebElement:
    """Return the element of a CSS selector."""
    return browser.find_element(By.CSS_SELECTOR, selector)


def text(browser: WebDriver, selector: str) -> str:
    """Return the visible text of an element."""
    return find(browser, selector).text


def is_accepted(sandbox: Sandbox, key: str) -> bool:
    """Return whether the sandbox accepts a key."""
    return httpx.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).status_code == 200


def test_the_address_bar_keeps_no_token(page, sandbox):
    """The token leaves the address at once, so that nobody copies it with the address."""
    assert page.current_url == f"{sandbox.api_url}/"
    assert "Sandbox, simulated data" in text(page, ".banner")


def test_a_key_is_created_shown_once_and_revoked(page, sandbox):
    """Create a key with a name and a tier, see it once, paste its lines, revoke it with a reason."""
    find(page, "#new-key [name=name]").send_keys("My experiment")
    Select(find(page, "#new-key [name=tier]")).select_by_visible_text("free")
    find(page, "#new-key button").click()
    wait_for(page, lambda: text(page, "#created pre").startswith("nbci_test_"))
    key = text(page, "#created pre")
    assert is_accepted(sandbox, key)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for(page, lambda: not find(page, "#created").is_displayed())
    assert f"export NIMBUS_API_KEY='{key}'" in text(page, "#lines")
    assert key not in text(page, "#keys")
    row = text(page, "#keys tbody tr:last-child")
    assert row.startswith("My experiment")
    assert "free" in row
    find(page, "#keys tbody tr:last-child button").click()
    find(page, "#revoke input").send_keys("lost", Keys.ENTER)
    wait_for(page, lambda: "revoked" in text(page, "#keys tbody tr:last-child"))
    assert not is_accepted(sandbox, key)
    assert sandbox.audit()[-1]["reason"] == "lost"


def test_lines_for_each_shell(page, sandbox):
    """The lines are spelt for the shell that is chosen."""
    for shell, start in (("fish", "set -gx "), ("powershell", "$env:"), ("bash", "export ")):
        find(page, f"[data-shell={shell}]").click()
        assert text(page, "#lines").startswith(f"{start}NIMBUS_SDK_API_URL")


def test_requests_and_usage_appear_by_themselves(page, sandbox):
    """What programs do shows within seconds, without a reload."""
    key = sandbox.new_key("research")
    httpx.post(f"{sandbox.api_url}/v1/analytics/log", json={"api_key": key, "event_type": "inference"})
    wait_for(page, lambda: "/v1/analytics/log" in text(page, "#log"))
    wait_for(page, lambda: text(page, "#usage tbody td:nth-child(2)") == "1")
    assert key not in page.page_source


def test_a_fault_is_switched_on(page, sandbox):
    """A fault that is added here is what the next request meets."""
    Select(find(page, "#new-fault [name=endpoint]")).select_by_visible_text("health")
    Select(find(page, "#new-fault [name=fault]")).select_by_visible_text("502 bad gateway")
    find(page, "#new-fault button").click()
    wait_for(page, lambda: "health" in text(page, "#faults"))
    assert httpx.get(f"{sandbox.api_url}/api/health").status_code == 502
    find(page, "#switches [name=healthy]").click()
    wait_for(page, lambda: httpx.get(f"{sandbox.api_url}/api/health").status_code == 503)


@pytest.mark.parametrize(("number", "start"), [(1, "nos_"), (2, "nai_"), (3, "eyJ")])
def test_keys_of_the_other_systems(page, number, start):
    """Each of the three other systems gives keys too."""
    find(page, f"#others section:nth-child({number}) form button").click()
    wait_for(page, lambda: text(page, "#created pre").startswith(start))


def test_everything_is_reached_with_the_keyboard(page):
    """Each control takes the focus in the order of the page, and shows that it has it."""
    page.execute_script("document.activeElement.blur()")
    reached = []
    for _ in range(60):
        page.switch_to.active_element.send_keys(Keys.TAB)
        active = page.switch_to.active_element
        reached.append(active.get_attribute("id") or active.get_attribute("name") or active.text)
        if active.tag_name != "body":
            assert active.value_of_css_property("outline-style") != "none", f"{reached[-1]} shows no focus"
    assert {"tier", "Create key", "copy-lines", "endpoint", "Add fault", "Create Nexus key"} <= set(reached)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(page, scheme):
    """The contrast of the text is at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    pairs = page.execute_script(
        "return ['body', '.banner', 'th', 'form > button', 'label', 'a[href]'].map(selector => {"
        "const style = getComputedStyle(document.querySelector(selector));"
        "let on = document.querySelector(selector);"
        "while (on && getComputedStyle(on).backgroundColor === 'rgba(0, 0, 0, 0)') on = on.parentElement;"
        "return [selector, style.color, getComputedStyle(on).backgroundColor]})"
    )
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    for selector, ink, paper in pairs:
        assert contrast(ink, paper) >= 4.5, (selector, ink, paper)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two CSS colours (WCAG 2.2, definition of contrast ratio)."""
    lighter, darker = sorted(map(_luminance, (first, second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(number) / 255 for number in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_without_the_token_the_page_asks_for_it(browser, sandbox):
    """Somebody who knows the address alone sees no key and can change nothing."""
    browser.get(f"{sandbox.api_url}/#wrong")
    wait_for(browser, lambda: "does not accept" in text(browser, "#message"))
    assert not find(browser, "#content").is_displayed()
    find(browser, "#sign-in input").send_keys(sandbox.control_token, Keys.ENTER)
    wait_for(browser, lambda: find(browser, "#content").is_displayed())
    browser.get_log("browser")


def test_the_api_is_tried_out_from_the_page(browser, sandbox):
    """The description of the API sends requests and shows the response."""
    key = sandbox.new_key("research")
    browser.get(f"{sandbox.api_url}/docs")
    wait_for(browser, lambda: browser.find_elements(By.ID, "models"))
    find(browser, "#models summary").click()
    find(browser, "#models input[type=password]").send_keys(key)
    find(browser, "#models button").click()
    wait_for(browser, lambda: text(browser, "#models pre").startswith("200"))
    assert "motor_imagery_4class_v1" in text(browser, "#models pre")
    find(browser, "#validate summary").click()
    find(browser, "#validate button").click()
    wait_for(browser, lambda: text(browser, "#validate pre").startswith("401"))
