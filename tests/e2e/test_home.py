"""The first page in a real browser: what runs, fails and is late, and what was moved by day."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.e2e.house import House, a_stream, assert_accessible


def test_home_tells_what_failed_and_draws_what_was_moved(house: House) -> None:
    script = {"streams": [a_stream("users")], "rows": 50}
    good = house.connection("Fine", script)
    assert house.synced(good["id"])["status"] == "succeeded"
    with house.tab() as page:
        page.goto(house.up.address)
        expect(page.get_by_text("Nothing fails and nothing is late.")).to_be_visible()
        bad = house.connection("Broken", {**script, "fails_after": 3})
        assert house.synced(bad["id"])["status"] == "failed"
        # Live: nobody loads the page anew.
        failing = page.get_by_role("row").filter(has_text="The service is out of order.")
        expect(failing.get_by_role("link", name="Broken")).to_be_visible()
        expect(page.get_by_text("Nothing fails and nothing is late.")).to_be_hidden()
        for chart in ("Volume", "Rows", "Time the runs took", "Runs"):
            expect(page.get_by_role("heading", name=chart, exact=True)).to_be_visible()
        expect(page.locator(".recharts-surface").first).to_be_attached()
        page.get_by_text("As a table").click()
        today = page.get_by_role("region", name="As a table").get_by_role("row").nth(1)
        expect(today.get_by_role("cell").nth(1)).to_have_text("1")
        expect(today.get_by_role("cell").nth(2)).to_have_text("1")
        assert_accessible(page)
        house.picture(page, "home-failing")
        page.get_by_text("30 days", exact=True).click()
        expect(page).to_have_url(re.compile("days=30"))
        expect(page.get_by_role("region", name="As a table").get_by_role("row")).to_have_count(31)
        failing.get_by_role("link", name=re.compile("Run")).click()
        expect(page).to_have_url(re.compile(rf"/connections/{bad['id']}/runs/\d+"))


def test_home_fits_a_phone(house: House) -> None:
    with house.tab(viewport={"width": 390, "height": 844}) as page:
        page.goto(house.up.address)
        expect(page.locator(".recharts-surface").first).to_be_attached()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        assert_accessible(page)
        house.picture(page, "phone-home")
