"""The data page in a real browser: tables, their rows, questions in SQL, and the same as a file."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.house import House, a_stream, assert_accessible


def test_the_data_page_shows_counts_rows_and_answers(house: House) -> None:
    script = {"streams": [a_stream("users"), a_stream("orders")], "rows": 7}
    connection = house.connection("Seen", script)
    run = house.synced(connection["id"])
    assert run["status"] == "succeeded", run
    with house.tab() as page:
        page.goto(f"{house.up.address}/data")
        assert_accessible(page)
        page.get_by_role("link", name="Seen", exact=True).click()
        row = page.get_by_role("row").filter(has_text="users")
        expect(row.get_by_role("cell").nth(2)).to_have_text("7", timeout=60_000)
        expect(page.get_by_role("cell", name="name 6")).to_be_visible(timeout=60_000)
        page.get_by_role("button", name="Show the first rows of orders").click()
        expect(page.get_by_role("heading", name="First rows of orders")).to_be_visible()
        expect(page.get_by_role("cell", name="name 6")).to_be_visible(timeout=60_000)

        box = page.get_by_label("One SELECT")
        expect(box).to_have_value("SELECT *\nFROM orders\nLIMIT 100")
        box.fill("SELECT 9007199254740993 AS large, NULL AS nothing, '' AS empty, 'a,b' AS both")
        box.press("Control+Enter")
        answer = page.get_by_role("region", name="Answer")
        expect(answer.get_by_role("cell", name="9007199254740993")).to_be_visible(timeout=60_000)
        assert_accessible(page)
        house.picture(page, "data")
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Download as CSV").last.click()
        file = Path(waiting.value.path())
        assert waiting.value.suggested_filename == "answer.csv"
        assert file.read_bytes() == (b'large,nothing,empty,both\r\n9007199254740993,,"","a,b"\r\n')

        box.fill("DROP TABLE orders")
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_role("alert")).to_be_visible(timeout=60_000)
    (asked,) = [
        each
        for each in house.up.get("/audit")["items"]
        if each["action"] == "destination.query" and "large" in each["detail"]["sql"]
    ]
    assert asked["target_id"] == connection["destination_id"]


def test_a_destination_shows_what_connections_write_into_it(house: House) -> None:
    script = {"streams": [a_stream("users"), a_stream("orders")], "rows": 5}
    connection = house.connection("Into", script)
    assert house.synced(connection["id"])["status"] == "succeeded"
    with house.tab() as page:
        page.goto(f"{house.up.address}/data")
        page.get_by_role("link", name="Ask Warehouse of Into").click()
        row = page.get_by_role("row").filter(has_text="orders")
        expect(row.get_by_role("cell").nth(2)).to_have_text("5", timeout=60_000)
        assert_accessible(page)
        house.picture(page, "data-destination")
        page.get_by_role("button", name="Show the first rows of orders").click()
        expect(page.get_by_role("heading", name="First rows of orders")).to_be_visible()
        expect(page.get_by_role("cell", name="name 4")).to_be_visible(timeout=60_000)


def test_a_table_that_is_not_there_yet_is_told_from_an_empty_one(house: House) -> None:
    connection = house.connection("Unsynced", {"streams": [a_stream("users")]})
    with house.tab(viewport={"width": 390, "height": 844}) as page:
        page.goto(f"{house.up.address}/data/{connection['id']}")
        expect(page.get_by_text("no table yet")).to_be_visible(timeout=60_000)
        assert_accessible(page)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        house.picture(page, "phone-data")


def test_many_tables_are_searched_at_once_and_counted_one_by_one(house: House) -> None:
    streams = [a_stream(f"stream_{number:04}") for number in range(3000)]
    connection = house.connection("Many", {"streams": streams})
    with house.tab() as page:
        page.goto(f"{house.up.address}/data/{connection['id']}")
        expect(page.get_by_text("3,000 tables")).to_be_visible(timeout=60_000)
        page.get_by_label("Search tables").fill("2999")
        expect(page.get_by_text("1 of 3,000 tables")).to_be_visible()
        expect(page.get_by_role("cell", name="stream_2999", exact=True)).to_be_visible()
        expect(page.get_by_text("no table yet")).to_be_visible(timeout=60_000)
