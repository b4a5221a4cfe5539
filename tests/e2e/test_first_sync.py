"""A first sync in a real browser, from the printed link to the proof, and its pictures."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Tab:
    """A page of a browser, and where its pictures go."""

    page: Page
    link: str
    pictures: Path

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self.pictures / f"{name}.png")


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    assert (ROOT / "src/penstock/server/static/index.html").exists(), "build the pages: make ui"
    chromium = shutil.which("chromium")
    assert chromium, "the pages are tested in Chromium: apt-get install chromium"
    # The docs' pictures change only when asked for: PENSTOCK_PICTURES=docs/pictures.
    pictures = Path(os.environ.get("PENSTOCK_PICTURES", tmp_path / "pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    folder = tmp_path / "up"
    with (tmp_path / "stderr").open("w+") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "penstock.cli", "up", "--port", "0", "--data-dir", str(folder)],
            stderr=subprocess.PIPE,
            stdout=stderr,
            env={**os.environ, "PENSTOCK_HOME": str(folder / "home")},
            text=True,
        )
        assert process.stderr is not None
        secret = address = ""
        for line in process.stderr:
            secret = secret or "".join(re.findall(r"/login#(\S+)", line))
            if found := re.search(r"is up at (http://\S+)\.", line):
                address = found[1]
                break
        try:
            assert address, f"penstock up ended with {process.wait()}"
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox"]
                )
                page = browser.new_page(
                    viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC"
                )
                page.set_default_timeout(60_000)
                yield Tab(page, f"{address}/login#{secret}", pictures)
                browser.close()
        finally:
            process.terminate()
            assert process.wait(timeout=60) in (0, -signal.SIGTERM)
            process.stderr.close()


def test_a_new_user_gets_from_the_link_to_the_proof(  # noqa: PLR0915 (one walk)
    tab: Tab, tmp_path: Path
) -> None:
    page = tab.page
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    warehouse = tmp_path / "warehouse.duckdb"

    page.goto(tab.link)
    expect(page.get_by_text("Move your first rows")).to_be_visible()
    tab.picture("home-empty")

    page.get_by_role("link", name="Sources").click()
    page.get_by_role("link", name="New source").first.click()
    page.get_by_label("Search connectors").fill("faker")
    tab.picture("gallery")
    page.locator("a", has_text="source-faker").click()
    page.get_by_label("Name", exact=False).first.fill("Shop")
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("The connection works")).to_be_visible()
    tab.picture("new-source")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Shop")).to_be_visible()

    page.get_by_role("link", name="Destinations").click()
    page.get_by_role("link", name="New destination").first.click()
    page.locator("a", has_text="destination-duckdb").click()
    page.get_by_label("Name", exact=False).first.fill("Warehouse")
    page.get_by_label("Database file").fill(str(warehouse))
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("The connection works")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Warehouse")).to_be_visible()

    page.get_by_role("link", name="Connections").click()
    page.get_by_role("link", name="New connection").first.click()
    page.get_by_role("combobox", name="Source").click()
    page.get_by_role("option", name="Shop").click()
    page.get_by_role("combobox", name="Destination").click()
    page.get_by_role("option", name="Warehouse").click()
    expect(page.get_by_label("Choose users")).to_be_checked()
    page.get_by_label("Prefix").fill("shop_")
    expect(page.get_by_text("shop_users").first).to_be_visible()
    page.get_by_text("Every …", exact=True).click()
    expect(page.get_by_text("The next five times")).to_be_visible()
    page.evaluate("() => window.scrollTo(0, 0)")
    tab.picture("new-connection")
    page.get_by_role("button", name="Create and sync").click()

    expect(page.get_by_text("Proved complete")).to_be_visible(timeout=120_000)
    row = page.get_by_role("row").filter(has_text="shop_users")
    read, sent, committed = (
        int(re.sub(r"\D", "", cell)) for cell in row.get_by_role("cell").all_inner_texts()[1:4]
    )
    assert read == sent == committed > 0
    tab.picture("run")
    with duckdb.connect(str(warehouse), read_only=True) as database:
        tables = database.execute(
            "select table_schema, table_name from information_schema.tables"
            " where table_name = 'shop_users'"
        ).fetchall()
        ((schema, table),) = tables
        found = database.execute(f'select count(*) from "{schema}"."{table}"').fetchone()
    assert found == (committed,)

    page.get_by_role("link", name="See the data").click()
    seen = page.get_by_role("row").filter(has_text="shop_users").get_by_role("cell").nth(2)
    expect(seen).to_have_text(f"{committed:,}")
    expect(page.get_by_role("region", name="First rows of")).to_be_visible()
    tab.picture("data")

    page.get_by_role("link", name="Home").click()
    expect(page.get_by_role("cell", name="Succeeded")).to_be_visible()
    expect(page.get_by_text("Nothing fails and nothing is late.")).to_be_visible()
    expect(page.get_by_role("heading", name="Time the runs took")).to_be_visible()
    page.wait_for_timeout(300)  # the charts are drawn
    tab.picture("home")
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_text("You have no tokens.")).to_be_visible()
    tab.picture("settings")
    assert complaints == []


def test_a_new_user_sees_the_rows_of_their_own_csv(tab: Tab, tmp_path: Path) -> None:
    page = tab.page
    file = tmp_path / "visits.csv"
    file.write_text(
        "id,village,visited_on,weight\n"
        "1,Ambegaon,2026-01-05,3.20\n"
        "2,Bhor,2026-01-06,\n"
        '9007199254740993,"Velhe, upper",2026-01-07,4.10\n'
    )
    page.goto(tab.link)
    page.get_by_role("link", name="New source").click()
    page.locator("a", has_text="source-file").click()
    page.get_by_label("Name", exact=False).first.fill("Visits")
    page.get_by_label("Path", exact=True).first.fill(str(file))
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("The connection works")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Visits")).to_be_visible()

    page.get_by_role("link", name="Destinations").click()
    page.get_by_role("link", name="New destination").first.click()
    page.locator("a", has_text="destination-duckdb").click()
    page.get_by_label("Name", exact=False).first.fill("Lake")
    page.get_by_label("Database file").fill(str(tmp_path / "lake.duckdb"))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Lake")).to_be_visible()

    page.get_by_role("link", name="Connections").click()
    page.get_by_role("link", name="New connection").first.click()
    page.get_by_role("combobox", name="Source").click()
    page.get_by_role("option", name="Visits").click()
    page.get_by_role("combobox", name="Destination").click()
    page.get_by_role("option", name="Lake").click()
    expect(page.get_by_label("Choose visits")).to_be_checked()
    page.get_by_role("button", name="Create and sync").click()
    expect(page.get_by_text("Proved complete")).to_be_visible(timeout=120_000)

    page.get_by_role("link", name="Data", exact=True).click()
    page.get_by_role("link", name="Visits → Lake").click()
    for cell in ("9007199254740993", "Velhe, upper", "Bhor", "2026-01-07"):
        expect(page.get_by_role("cell", name=cell, exact=True)).to_be_visible()
    page.get_by_label("One SELECT").fill("SELECT count(*) AS visits FROM visits")
    page.get_by_role("button", name="Run").click()
    answer = page.get_by_role("region", name="Answer")
    expect(answer.get_by_role("cell", name="3")).to_be_visible()
    tab.picture("csv")
