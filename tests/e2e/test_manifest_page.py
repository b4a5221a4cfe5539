"""The manifest editor in a real browser: read, tried on an HTTP server, added to the gallery."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.e2e.house import House, assert_accessible
from tests.integration.engine.web import serving

ITEMS = json.dumps({"items": [{"id": 9007199254740993, "name": "ann"}, {"id": 2, "name": "bob"}]})


@pytest.mark.network
def test_a_manifest_is_read_tried_and_becomes_a_connector(house: House) -> None:
    with serving({"/items": ITEMS.encode()}) as web, house.tab() as page:
        page.goto(f"{house.up.address}/settings/connectors")
        page.get_by_role("link", name="Write a manifest").click()
        editor = page.get_by_label("Manifest (YAML)")
        whole = editor.input_value()
        editor.fill("streams: [")
        page.get_by_role("button", name="Read it").click()
        expect(page.get_by_role("alert")).to_contain_text("no YAML", timeout=60_000)
        editor.fill(whole)
        page.reload()
        expect(editor).to_have_value(whole)
        page.get_by_role("button", name="Read it").click()
        expect(page.get_by_label("Stream", exact=True)).to_have_value("items", timeout=60_000)
        page.get_by_label("Address").fill(web.address)
        page.get_by_label("API key").fill("s3cr3t-key-of-the-test")
        page.get_by_role("button", name="Test", exact=True).click()
        expect(page.get_by_text("2 records from 1 page")).to_be_visible(timeout=180_000)
        records = page.get_by_role("region", name="Records of a page")
        expect(records).to_contain_text('{"id":9007199254740993,"name":"ann"}')
        assert web.headers[-1]["Authorization"] == "Bearer s3cr3t-key-of-the-test"
        assert_accessible(page)
        house.picture(page, "manifest")
        page.get_by_role("tab", name="Request").click()
        page.get_by_text("Headers").click()
        expect(page.get_by_role("row").filter(has_text="Authorization")).to_contain_text("****")
        assert "s3cr3t-key-of-the-test" not in page.inner_text("body")

        page.get_by_label("Name", exact=True).fill("Acme items")
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_role("link", name="Set up a source").click()
        expect(page.get_by_role("heading", name="New source: Acme items")).to_be_visible()
        expect(page.get_by_label("API key")).to_be_visible(timeout=60_000)
