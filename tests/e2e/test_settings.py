"""The settings in a real browser: tokens that work, channels that arrive, people, connectors."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
from playwright.sync_api import expect

from tests.e2e.house import House, assert_accessible, sign_in


@contextmanager
def receiving() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Runs a server that takes notifications; gives its address and what has come."""
    came: list[dict[str, Any]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_token_is_shown_once_works_and_is_revoked(house: House) -> None:
    with house.tab() as page:
        page.goto(f"{house.up.address}/settings")
        expect(page.get_by_role("tab", name="API tokens")).to_be_visible()
        page.get_by_role("button", name="New token").click()
        page.get_by_label("Name").fill("Airflow")
        page.get_by_label("What it may do").select_option("Look")
        assert_accessible(page)
        page.get_by_role("button", name="Make the token").click()
        secret = page.get_by_label("Token", exact=True).input_value()
        assert_accessible(page)
        house.picture(page, "token")
        page.get_by_role("button", name="I have kept it").click()
        row = page.get_by_role("row").filter(has_text="Airflow")
        expect(row).to_contain_text("Look")
        expect(row).to_contain_text("in 3 months")
        assert secret not in page.content()
        assert_accessible(page)
        house.picture(page, "tokens")

        asked = {"authorization": f"Bearer {secret}"}
        address = f"{house.up.address}/api/v1"
        assert httpx.get(f"{address}/connections", headers=asked).status_code == 200
        body = {"name": "more"}
        assert httpx.post(f"{address}/tokens", headers=asked, json=body).status_code == 403

        page.get_by_role("button", name="Revoke Airflow").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(row).to_contain_text("revoked")
        assert httpx.get(f"{address}/connections", headers=asked).status_code == 401


def test_a_channel_is_made_tried_and_told(house: House) -> None:
    with receiving() as (address, came), house.tab() as page:
        page.goto(f"{house.up.address}/settings/notifications")
        expect(page.get_by_text("Nobody is told when something fails.")).to_be_visible()
        assert_accessible(page)
        page.get_by_role("button", name="New channel").click()
        page.get_by_label("Kind").select_option("Signed webhook")
        page.get_by_label("Name").first.fill("On call")
        page.get_by_label("Address").fill("nowhere")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
        page.get_by_label("Address").fill(address)
        assert_accessible(page)
        page.get_by_role("button", name="Save").click()
        page.get_by_role("button", name="Send a test").click()
        expect(page.get_by_text("The test has arrived at the other side.")).to_be_visible()
        assert len(came) == 1
        house.picture(page, "channel")
        page.get_by_label("Close").click()
        expect(page.get_by_role("row").filter(has_text="On call")).to_contain_text(
            "2 kinds of events"
        )
        assert_accessible(page)
        page.get_by_role("button", name="On call").click()
        page.get_by_role("button", name="Remove").click()
        page.get_by_role("dialog").last.get_by_role("button", name="Remove").click()
        expect(page.get_by_text("Nobody is told when something fails.")).to_be_visible()


def test_the_pages_are_light_dark_or_as_the_system(house: House) -> None:
    with house.tab() as page:
        page.goto(f"{house.up.address}/settings/appearance")
        page.get_by_text("Dark", exact=True).click()
        expect(page.locator("html[data-mantine-color-scheme=dark]")).to_be_attached()
        page.reload()
        expect(page.locator("html[data-mantine-color-scheme=dark]")).to_be_attached()
        house.picture(page, "appearance-dark")
        page.get_by_text("As the system", exact=True).click()
        expect(page.locator("html[data-mantine-color-scheme=light]")).to_be_attached()
        assert_accessible(page)
        expect(page.get_by_text(re.compile("en-GB"))).to_be_visible()


def test_a_user_is_made_gets_a_link_signs_in_and_is_removed(house: House) -> None:
    with house.tab() as page:
        page.goto(f"{house.up.address}/settings/users")
        page.get_by_role("button", name="New user").click()
        page.get_by_label("E-mail address").fill("reader@example.org")
        page.get_by_label("Role", exact=True).select_option("Reader: looks")
        assert_accessible(page)
        page.get_by_role("button", name="Make the user").click()
        page.get_by_role("dialog").get_by_role("button", name="Make a sign-in link").click()
        link = page.get_by_label("Link", exact=True).input_value()
        page.get_by_role("button", name="Done").click()
        row = page.get_by_role("row").filter(has_text="reader@example.org")
        expect(row).to_contain_text("Reader · Default")
        assert_accessible(page)
        house.picture(page, "users")

        with house.browser.new_context(locale="en-GB") as theirs:
            other = theirs.new_page()
            other.goto(link)
            expect(other.get_by_role("link", name="Settings")).to_be_visible()
            other.goto(f"{house.up.address}/settings/users")
            expect(other.get_by_text("Only administrators see this.")).to_be_visible()

        row.get_by_role("button", name="Actions for reader@example.org").click()
        page.get_by_role("menuitem", name="Take away: Reader Default").click()
        expect(row).to_contain_text("no role")
        row.get_by_role("button", name="Actions for reader@example.org").click()
        page.get_by_role("menuitem", name="Remove").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(row).to_have_count(0)


def test_a_workspace_is_made_worked_in_and_removed(house: House) -> None:
    with house.tab() as page:
        page.goto(f"{house.up.address}/settings/workspaces")
        page.get_by_role("button", name="New workspace").click()
        page.get_by_label("Name").fill("Trials")
        page.get_by_role("button", name="Make the workspace").click()
        row = page.get_by_role("row").filter(has_text="Trials")
        row.get_by_role("button", name="Work here").click()
        expect(row).to_contain_text("you work here")
        page.reload()
        expect(row).to_contain_text("you work here")
        assert_accessible(page)
        row.get_by_role("button", name="Actions for Trials").click()
        page.get_by_role("menuitem", name="Remove").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(row).to_have_count(0)
        default = page.get_by_role("row").filter(has_text="Default")
        expect(default).to_contain_text("you work here")


def test_a_connector_of_ones_own_is_added_and_removed(house: House) -> None:
    with house.tab() as page:
        page.goto(f"{house.up.address}/settings/connectors")
        page.get_by_role("button", name="Add a connector").click()
        page.get_by_text("Image", exact=True).click()
        page.get_by_label("Title").fill("Acme Orders")
        expect(page.get_by_label("Name")).to_have_value("acme-orders")
        page.get_by_role("textbox", name="Image").fill("acme/source-orders:1.2")
        assert_accessible(page)
        page.get_by_role("button", name="Add", exact=True).click()
        row = page.get_by_role("row").filter(has_text="source-acme-orders")
        expect(row).to_contain_text("image")
        assert_accessible(page)
        house.picture(page, "connectors")
        row.get_by_role("button", name="Remove Acme Orders").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(row).to_have_count(0)


def test_the_audit_log_says_who_did_what(house: House) -> None:
    house.warehouse("Audited")
    with house.tab() as page:
        page.goto(f"{house.up.address}/settings/audit")
        page.get_by_label("Filter by person, deed or thing").fill("warehouse of audited")
        row = page.get_by_role("row").filter(has_text="destination.created")
        expect(row).to_contain_text("Warehouse of Audited")
        row.get_by_text("Details").click()
        assert_accessible(page)


def test_the_settings_fit_a_phone(house: House) -> None:
    with house.tab(viewport={"width": 390, "height": 844}) as page:
        for part in ("", "/notifications", "/users", "/workspaces", "/connectors", "/audit"):
            page.goto(f"{house.up.address}/settings{part}")
            expect(page.get_by_role("tabpanel")).to_be_visible()
            page.wait_for_load_state("networkidle")
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, part


def test_a_password_is_set_and_signs_in(house: House) -> None:
    role = {"role": "reader", "workspace_id": house.up.workspace}
    user = {"email": "self@example.org", "password": "four words in a row", "roles": [role]}
    house.up.post("/users", user)
    with house.tab() as page:
        page.context.clear_cookies()
        page.goto(f"{house.up.address}/settings/account")
        sign_in(page, user)
        page.get_by_label("New password").fill("five words in one row")
        page.get_by_label("The same again").fill("five words in on row")
        expect(page.get_by_text("These two differ.")).to_be_visible()
        expect(page.get_by_role("button", name="Save")).to_be_disabled()
        page.get_by_label("The same again").fill("five words in one row")
        assert_accessible(page)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        page.context.clear_cookies()
        page.reload()
        sign_in(page, {**user, "password": "five words in one row"})
        expect(page.get_by_label("New password")).to_be_visible()
