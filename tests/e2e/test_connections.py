"""Connections in a real browser: made, watched, failing, cancelled, changed, in two tabs."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.house import FIELDS, House, a_stream, assert_accessible, choose, sign_in


def test_a_connection_is_made_with_cursor_key_fields_and_bulk_edit(  # noqa: PLR0915 (one walk)
    house: House,
) -> None:
    streams = [a_stream("orders"), a_stream("users"), a_stream("visits")]
    house.source("Shop", {"streams": streams})
    house.warehouse("Shop")
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/new")
        choose(page, "Source", "Shop")
        choose(page, "Destination", "Warehouse of Shop")
        expect(page.get_by_text("orders", exact=True).first).to_be_visible()

        page.get_by_label("Search streams").fill("s")
        page.get_by_role("button", name="Change all 3 shown").click()
        page.get_by_role("menuitem", name="Incremental | Append + Deduped").click()
        expect(page.get_by_text("3 streams lack a cursor, a key or a field.")).to_be_visible()
        expect(page.get_by_role("button", name="Create and sync")).to_be_disabled()
        page.get_by_role("button", name="Change all 3 shown").click()
        page.get_by_role("menuitem", name="Cursor and key").click()
        page.get_by_label("Cursor", exact=True).fill("updated_at")
        page.get_by_label("Primary key", exact=True).fill("id")
        page.get_by_role("button", name="Set").click()
        expect(page.get_by_text("Set in 3 streams.")).to_be_visible()

        page.get_by_label("Details of users").click()
        details = page.get_by_role("dialog")
        expect(details.get_by_label("Cursor")).to_have_value("updated_at")
        details.get_by_label("All fields, also those to come").click()
        details.get_by_label("Load email").uncheck()
        expect(details.get_by_label("Load id")).to_be_disabled()
        details.get_by_role("button", name="Show the first rows").click()
        expect(details.get_by_role("cell", name="name 0")).to_be_visible()
        assert_accessible(page)
        house.picture(page, "stream")
        details.get_by_role("button", name="Done").last.click()

        page.get_by_label("Choose visits").uncheck()
        page.get_by_label("Prefix").fill("shop_")
        expect(page.get_by_role("cell", name=re.compile("shop_users")).first).to_be_visible()
        page.get_by_text("Cron", exact=True).click()
        page.get_by_label("Cron expression").fill("0 6 * * 1-5")
        expect(page.get_by_text("The next five times")).to_be_visible()
        assert_accessible(page)
        house.picture(page, "new-connection")
        page.get_by_role("button", name="Create and sync").click()

        expect(page.get_by_text("Proved complete")).to_be_visible(timeout=120_000)
        expect(page.get_by_role("cell", name=re.compile("shop_users")).first).to_be_visible()
        assert_accessible(page)
        house.picture(page, "connection")
        connection = house.up.get(f"/connections/{page.url.rpartition('/')[2]}")
    assert connection["schedule"]["cron"] == "0 6 * * 1-5"
    by_name = {each["name"]: each for each in connection["streams"]}
    assert set(by_name) == {"orders", "users"}
    users = by_name["users"]
    assert users["mode"] == "incremental_deduped_history"
    assert (users["cursor_field"], users["primary_key"]) == (["updated_at"], [["id"]])
    assert users["selected_fields"] == [["id"], ["name"], ["updated_at"]]


def test_a_failing_check_says_what_is_wrong(house: House) -> None:
    house.write("Locked", {"check_fails": "The password is wrong.", "streams": []})
    with house.tab() as page:
        page.goto(f"{house.up.address}/sources/new/{house.definition}")
        page.get_by_label("Script").fill(str(house.script("Locked")))
        page.get_by_role("button", name="Test").click()
        expect(page.get_by_text("The password is wrong.")).to_be_visible()


def test_a_failing_sync_leads_to_the_line_of_its_log(house: House) -> None:
    script = {"streams": [a_stream("orders")], "rows": 5, "fails_after": 3, "log_lines": 200}
    connection = house.connection("Failing", script)
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/{connection['id']}")
        expect(page.get_by_text("This connection has not run yet")).to_be_visible()
        assert_accessible(page)
        page.get_by_role("button", name="Sync now").click()
        expect(page.get_by_text("The service is out of order.").first).to_be_visible(timeout=90_000)
        page.get_by_role("link", name="Open the run").click()
        expect(page.get_by_role("alert")).to_contain_text("The service is out of order.")
        expect(page.get_by_text("Not proved")).to_be_visible()
        assert_accessible(page)
        house.picture(page, "run-failed")
        page.get_by_role("tab", name="Log").click()
        log = page.get_by_role("region", name="Log")
        expect(log).to_contain_text("out of order")
        page.get_by_label("Level").select_option("ERROR")
        expect(log).to_contain_text("the disk of the service is full")
        expect(log).not_to_contain_text("of many")
        page.get_by_label("From").select_option("source")
        page.get_by_label("Search the log").fill("DISK")
        expect(log.locator("mark").first).to_have_text("disk")
        log.get_by_role("link").first.click()
        expect(page).to_have_url(re.compile("line=[0-9]+"))
        assert_accessible(page)
        house.picture(page, "log")
        page.goto(re.sub(r"(level|from|origin|q)=[^&]*&?", "", page.url))
        expect(log).to_contain_text("the disk of the service is full")
        expect(log).to_contain_text("line 199 of many")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        assert "the disk of the service is full" in Path(download.value.path()).read_text()


def test_a_running_sync_is_watched_and_cancelled(house: House) -> None:
    streams = [a_stream("orders"), a_stream("users")]
    script = {"streams": streams, "rows": 5000, "pause_seconds": 0.02}
    connection = house.connection("Slow", script)
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/{connection['id']}")
        page.get_by_role("button", name="Sync now").click()
        expect(page.get_by_text("Running now")).to_be_visible()
        row = page.get_by_role("row").filter(has_text="orders").filter(has_text="Running")
        read = row.get_by_role("cell").nth(3)
        expect(read).not_to_have_text("0")
        before = read.inner_text()
        expect(read).not_to_have_text(before)
        house.picture(page, "running")
        page.get_by_role("button", name="Cancel run").click()
        expect(page.get_by_text("Cancelled").first).to_be_visible()
        expect(page.get_by_role("button", name="Sync now")).to_be_enabled()
        page.get_by_role("tab", name="Timeline").click()
        expect(page.get_by_text("Run cancelled")).to_be_visible()


def test_each_stream_is_seen_on_its_way_until_all_is_proved(house: House) -> None:
    streams = [a_stream("orders"), a_stream("users")]
    script = {"streams": streams, "rows": 80, "pause_seconds": 0.05, "estimates": True}
    connection = house.connection("Live", script)
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/{connection['id']}")
        page.get_by_role("button", name="Sync now").click()
        table = page.get_by_role("region", name="Streams")
        orders, users = (
            table.get_by_role("row").filter(has_text=name) for name in ("orders", "users")
        )
        expect(orders).to_contain_text("Running")
        assert "Complete" not in users.inner_text()
        bar = orders.get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]"))
        assert float(bar.get_attribute("aria-valuenow") or 100) < 100
        expect(users).to_contain_text("Running")
        expect(page.get_by_text("Proved complete: read = sent = committed")).to_be_visible(
            timeout=60_000
        )
        for row in (orders, users):
            expect(row).to_contain_text("Complete")
            expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
            expect(row.get_by_role("cell").nth(4)).to_have_text("80")


def test_a_schema_change_is_looked_at_and_approved(house: House) -> None:
    connection = house.connection("Growing", {"streams": [a_stream("orders"), a_stream("old")]})
    assert house.synced(connection["id"])["status"] == "succeeded"
    more = {**FIELDS, "discount": {"type": "number"}}
    house.write("Growing", {"streams": [a_stream("orders", fields=more), a_stream("refunds")]})
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/{connection['id']}/schema")
        expect(
            page.get_by_text("The source has what this connection was made from.")
        ).to_be_visible()
        page.get_by_role("button", name="Look at the source again").click()
        expect(page.get_by_role("cell", name="discount")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="Stream is gone")).to_contain_text("old")
        page.get_by_label("Read refunds").check()
        assert_accessible(page)
        house.picture(page, "schema")
        page.get_by_role("button", name="Approve the changes").click()
        expect(page.get_by_text("Approved. The next run reads by the new schema.")).to_be_visible()
        page.get_by_role("button", name="Sync now").click()
        page.get_by_role("tab", name="Status").click()
        expect(page.get_by_text("Proved complete")).to_be_visible(timeout=90_000)
        expect(page.get_by_role("cell", name="refunds").first).to_be_visible()
    streams = house.up.get(f"/connections/{connection['id']}")["streams"]
    assert {each["name"] for each in streams} == {"orders", "refunds"}


def test_a_state_is_edited_to_the_digit(house: House) -> None:
    streams = [{"name": "orders", "mode": "incremental_append", "cursor_field": ["updated_at"]}]
    connection = house.connection("Stately", {"streams": [a_stream("orders")]}, streams=streams)
    assert house.synced(connection["id"])["status"] == "succeeded"
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/{connection['id']}/state")
        expect(page.get_by_text("9007199254740993")).to_be_visible()
        assert_accessible(page)
        page.get_by_role("button", name="Edit: orders").click()
        text = page.get_by_role("dialog").get_by_label("State of orders")
        text.fill(text.input_value().replace("9007199254740993", "9007199254740995,"))
        expect(page.get_by_text("This is no JSON")).to_be_visible()
        expect(page.get_by_role("button", name="Save the state")).to_be_disabled()
        text.fill(text.input_value().replace("95,", "95"))
        assert_accessible(page)
        page.get_by_role("button", name="Save the state").click()
        expect(page.get_by_text("set by hand")).to_be_visible()
        expect(page.get_by_text("9007199254740995")).to_be_visible()
        house.picture(page, "state")
    (kept,) = house.up.get(f"/connections/{connection['id']}/states")
    assert kept["state"]["last"] == 9007199254740995


def test_a_mapping_is_previewed_saved_and_done(house: House) -> None:
    connection = house.connection("Private", {"streams": [a_stream("users")]})
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/{connection['id']}/mappings")
        page.get_by_role("button", name="Add a mapping").click()
        page.get_by_role("menuitem", name="Hash a field").click()
        page.get_by_role("combobox", name="Field").fill("email")
        page.get_by_role("button", name="Show what becomes of the first rows").click()
        expect(page.get_by_role("columnheader", name="email_hashed")).to_be_visible()
        assert_accessible(page)
        house.picture(page, "mappings")
        page.get_by_role("button", name="Save the mappings").click()
        expect(page.get_by_text("Not saved yet")).to_be_hidden()
    (stream,) = house.up.get(f"/connections/{connection['id']}")["streams"]
    assert stream["mappers"][0]["mapperConfiguration"]["targetField"] == "email"


def test_settings_are_changed_and_told_in_the_timeline(house: House) -> None:
    connection = house.connection("Settled", {"streams": [a_stream("users")]})
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/{connection['id']}/settings")
        page.get_by_text("Every …", exact=True).click()
        page.get_by_label("Every", exact=True).fill("30")
        page.get_by_label("Unit").select_option("minutes")
        page.get_by_label("Prefix").fill("p_")
        expect(page.get_by_role("cell", name=re.compile("p_users"))).to_be_visible()
        page.get_by_label("Take new fields over").check()
        assert_accessible(page)
        house.picture(page, "settings")
        page.get_by_role("button", name="Save the settings").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        page.get_by_role("tab", name="Timeline").click()
        expect(page.get_by_text("Settings changed")).to_be_visible()
        expect(page.get_by_text("p_", exact=True)).to_be_visible()
        assert_accessible(page)
        house.picture(page, "timeline")
    kept = house.up.get(f"/connections/{connection['id']}")
    assert (kept["schedule"]["interval_seconds"], kept["prefix"]) == (1800, "p_")
    assert kept["schema_policy"] == "propagate_columns"


def test_a_connection_has_tags_and_other_times_for_some_streams(house: House) -> None:
    streams = [a_stream("orders"), a_stream("users")]
    connection = house.connection("Tagged", {"streams": streams})
    house.connection("Untagged", {"streams": streams})
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/{connection['id']}/settings")
        page.get_by_role("combobox", name="Tags").fill("finance")
        page.keyboard.press("Enter")
        expect(page.get_by_text("finance", exact=True)).to_be_visible()
        page.get_by_role("button", name="Add times").click()
        save = page.get_by_role("button", name="Save the settings")
        expect(save).to_be_disabled()
        times = page.get_by_role("group", name="Times 1")
        times.get_by_role("combobox", name="Streams").click()
        page.get_by_role("option", name="users").click()
        page.keyboard.press("Escape")
        times.get_by_label("Every", exact=True).fill("2")
        expect(times.get_by_text("The next five times")).to_be_visible()
        assert_accessible(page)
        house.picture(page, "stream-times")
        save.click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        kept = house.up.get(f"/connections/{connection['id']}")
        (schedule,) = kept["stream_schedules"]
        assert (schedule["interval_seconds"], schedule["streams"]) == (7200, [[None, "users"]])
        assert kept["schedule"]["kind"] == "manual"

        page.goto(f"{house.up.address}/connections?q=tagged")
        expect(page.get_by_role("link", name="Untagged")).to_be_visible()
        page.get_by_label("Tag", exact=True).select_option("finance")
        expect(page.get_by_role("link", name="Untagged")).to_be_hidden()
        expect(page.get_by_role("row").filter(has_text="Tagged")).to_contain_text("finance")
        assert_accessible(page)


def test_what_happens_after_a_run_is_written_and_seen(house: House) -> None:
    connection = house.connection("Followed", {"streams": [a_stream("users")], "rows": 7})
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/{connection['id']}/hooks")
        page.get_by_role("button", name="Add", exact=True).click()
        choose(page, "Kind", "SQL on the destination")
        page.get_by_role("button", name="Add", exact=True).first.click()
        statement = "CREATE OR REPLACE TABLE totals AS SELECT count(*) AS n FROM users"
        page.get_by_role("textbox", name="Statement").fill(statement)
        page.get_by_role("button", name="Optional settings").click()
        page.get_by_label("Name", exact=True).fill("Totals")
        assert_accessible(page)
        house.picture(page, "hooks")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        (kept,) = house.up.get(f"/connections/{connection['id']}")["hooks"]
        assert (kept["type"], kept["name"], kept["statements"]) == ("sql", "Totals", [statement])
        # Saved again as it is shown, it is the same hook.
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("button", name="Save", exact=True)).to_be_enabled()
        assert house.up.get(f"/connections/{connection['id']}")["hooks"] == [kept]

        page.get_by_role("button", name="Sync now").click()
        page.get_by_role("tab", name="Status").click()
        expect(page.get_by_text("Proved complete")).to_be_visible()
        page.get_by_role("link", name="Open the run").click()
        done = page.get_by_role("group", name="Totals (SQL)")
        expect(done).to_contain_text("Succeeded")
        assert_accessible(page)
        house.picture(page, "run-hooks")


def test_ten_thousand_streams_and_five_thousand_fields_stay_quick(house: House) -> None:
    wide = {f"field_{number:04}": {"type": "string"} for number in range(5000)}
    streams = [a_stream(f"table_{number:05}") for number in range(9_999)]
    house.source("Huge", {"streams": [a_stream("wide", fields=wide), *streams]})
    house.warehouse("Huge")
    with house.tab() as page:
        page.goto(f"{house.up.address}/connections/new")
        choose(page, "Source", "Huge")
        choose(page, "Destination", "Warehouse of Huge")
        expect(page.get_by_text("10,000 of 10,000 chosen")).to_be_visible(timeout=120_000)
        expect(
            page.get_by_role("cell", name=re.compile(r"main\.wide|^wide$")).first
        ).to_be_visible()
        search = page.get_by_label("Search streams")
        begin = time.monotonic()
        search.fill("09876")
        expect(page.get_by_label("Details of table_09876")).to_be_visible()
        assert time.monotonic() - begin < 2
        page.get_by_role("button", name="Change all 1 shown").click()
        page.get_by_role("menuitem", name="Leave them out").click()
        search.fill("")
        expect(page.get_by_text("9,999 of 10,000 chosen")).to_be_visible()
        drawn = page.get_by_role("region", name="Streams").get_by_role("row").count()
        assert drawn < 60
        page.get_by_label("Details of wide").click()
        details = page.get_by_role("dialog")
        expect(details.get_by_text("5,000 of 5,000 fields")).to_be_visible()
        details.get_by_label("Search fields").fill("4321")
        details.get_by_label("Load field_4321").uncheck()
        expect(details.get_by_text("4,999 of 5,000 fields")).to_be_visible()


def test_a_long_log_is_searched_and_read_from_its_end(house: House) -> None:
    connection = house.connection("Wordy", {"streams": [a_stream("users")], "log_lines": 20})
    run = house.synced(connection["id"])
    (log,) = (house.folder / "up").rglob(f"{run['id']}/1.jsonl")
    first = json.loads(log.read_text().splitlines()[0])
    with log.open("w") as file:
        for number in range(700_000):
            word = "needle" if number == 345_678 else "hay"
            line = {**first, "level": "INFO", "message": f"{word} {number} {'x' * 60}"}
            file.write(json.dumps(line) + "\n")
    assert log.stat().st_size > 80_000_000
    with house.tab() as page:
        begin = time.monotonic()
        page.goto(f"{house.up.address}/connections/{connection['id']}/runs/{run['id']}/log")
        shown = page.get_by_role("region", name="Log")
        expect(shown).to_contain_text("hay 699999")
        assert time.monotonic() - begin < 10
        shown.evaluate("element => element.scrollTo(0, 0)")
        expect(page.get_by_text(re.compile("2[.][0-9] MB of"))).to_be_visible()
        page.get_by_role("button", name="To the beginning").click()
        expect(shown).to_contain_text("hay 0 ")
        page.get_by_label("Search the log").fill("needle")
        expect(shown).to_contain_text("needle 345678")
        expect(page.get_by_text("1 lines")).to_be_visible()
        assert page.evaluate("() => document.querySelectorAll('*').length") < 3000


def test_a_session_that_ends_asks_again_and_keeps_what_was_typed(house: House) -> None:
    connection = house.connection("Patient", {"streams": [a_stream("users")]})
    role = {"role": "admin", "workspace_id": house.up.workspace}
    user = {"email": "patient@example.org", "password": "long enough 123", "roles": [role]}
    house.up.post("/users", user)
    with house.tab() as page:
        page.context.clear_cookies()
        page.goto(f"{house.up.address}/connections/{connection['id']}/settings")
        sign_in(page, user)
        name = page.get_by_label("Name", exact=False).first
        name.fill("Patient, renamed")
        page.context.clear_cookies()
        page.get_by_role("button", name="Save the settings").click()
        expect(page.get_by_text("Your session has ended")).to_be_visible()
        assert_accessible(page)
        sign_in(page, user)
        expect(page.get_by_text("Your session has ended")).to_be_hidden()
        expect(name).to_have_value("Patient, renamed")
        page.get_by_role("button", name="Save the settings").click()
        expect(page.get_by_role("heading", name="Patient, renamed")).to_be_visible()


def test_two_tabs_show_the_same_and_do_not_overwrite_each_other(house: House) -> None:
    connection = house.connection("Twice", {"streams": [a_stream("orders"), a_stream("users")]})
    here = f"{house.up.address}/connections/{connection['id']}"
    with house.tab() as one:
        other = one.context.new_page()
        one.goto(here)
        other.goto(here)
        one.get_by_role("button", name="Sync now").click()
        expect(other.get_by_text("Proved complete")).to_be_visible(timeout=90_000)
        one.goto(f"{here}/schema")
        other.goto(f"{here}/schema")
        one.get_by_label("Choose orders").uncheck()
        other.get_by_label("Choose users").uncheck()
        other.get_by_role("button", name="Save the streams").click()
        expect(other.get_by_text("Saved. The next run reads so.")).to_be_visible()
        expect(one.get_by_text("This connection was changed elsewhere")).to_be_visible()
        one.get_by_role("button", name="Show what was saved").click()
        expect(one.get_by_label("Choose users")).not_to_be_checked()
        expect(one.get_by_label("Choose orders")).to_be_checked()


def test_the_list_is_searched_and_switched_and_fits_a_phone(house: House) -> None:
    connection = house.connection("Findable", {"streams": [a_stream("users")]})
    with house.tab(viewport={"width": 390, "height": 844}) as page:
        page.goto(f"{house.up.address}/connections")
        page.get_by_label("Search connections").fill("findab")
        expect(page.get_by_role("link", name="Findable")).to_be_visible()
        expect(page.get_by_role("switch")).to_have_count(1)
        assert_accessible(page)
        page.get_by_label("Findable is on").press("Space")
        expect(page.get_by_role("cell", name="off", exact=True)).to_be_visible()
        house.picture(page, "phone-connections")
        page.goto(f"{house.up.address}/connections/{connection['id']}")
        expect(page.get_by_text("This connection is off.")).to_be_visible()
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= 390
        assert_accessible(page)
        house.picture(page, "phone-connection")
        page.get_by_role("button", name="Switch on").click()
        expect(page.get_by_text("This connection is off.")).to_be_hidden()
        page.get_by_role("button", name="More actions").click()
        page.get_by_role("menuitem", name="Clear data").click()
        expect(page.get_by_text("This cannot be taken back")).to_be_visible()
        assert_accessible(page)
        page.get_by_role("dialog").get_by_role("button", name="Clear", exact=True).click()
        expect(page.get_by_text("Newest runs")).to_be_visible()
    (run,) = house.up.get(f"/runs?connection_id={connection['id']}")["items"]
    assert run["kind"] == "clear"
