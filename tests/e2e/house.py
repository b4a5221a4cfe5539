"""A server, a scripted source, a warehouse and a browser: what the tests of pages live in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, expect

from tests.servers.up import Up

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "ui/node_modules/axe-core/axe.min.js"
SCRIPTED = Path(__file__).parent / "scripted_source.py"
FIELDS = {
    "id": {"type": "integer"},
    "name": {"type": "string"},
    "email": {"type": "string"},
    "updated_at": {"type": "string", "format": "date-time"},
}


def a_stream(name: str, *, fields: dict[str, Any] = FIELDS) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields}
    return {
        "name": name,
        "json_schema": schema,
        "supported_sync_modes": ["full_refresh", "incremental"],
    }


@dataclass
class House:
    """A server with a scripted source and a warehouse, and a browser to look at it."""

    up: Up
    browser: Browser
    folder: Path
    definition: str
    pictures: Path

    def source(self, name: str, script: dict[str, Any]) -> dict[str, Any]:
        self.write(name, script)
        body = {
            "workspace_id": self.up.workspace,
            "definition_id": self.definition,
            "name": name,
            "config": {"script": str(self.script(name))},
        }
        return dict(self.up.post("/sources", body))

    def script(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def write(self, name: str, script: dict[str, Any]) -> None:
        self.script(name).write_text(json.dumps(script))

    def warehouse(self, name: str) -> dict[str, Any]:
        body = {
            "workspace_id": self.up.workspace,
            "definition_id": self.up.definition("destination-duckdb"),
            "name": f"Warehouse of {name}",
            "config": {"path": str(self.folder / f"{name}.duckdb")},
        }
        return dict(self.up.post("/destinations", body))

    def connection(self, name: str, script: dict[str, Any], **more: Any) -> dict[str, Any]:
        source, destination = self.source(name, script), self.warehouse(name)
        self.discovered(source["id"])
        body = {
            "workspace_id": self.up.workspace,
            "name": name,
            "source_id": source["id"],
            "destination_id": destination["id"],
            "streams": [{"name": each["name"]} for each in script["streams"]],
            **more,
        }
        return dict(self.up.post("/connections", body))

    def discovered(self, source_id: str) -> None:
        asked = self.up.post("/probes/discover", {"source_id": source_id}, status=202)
        probe = self.up.ended(f"/probes/{asked['id']}")
        assert probe["status"] == "succeeded", probe

    def synced(self, connection_id: str) -> dict[str, Any]:
        run = self.up.post(f"/connections/{connection_id}/runs", {"kind": "sync"})
        return self.up.ended(f"/runs/{run['id']}")

    @contextmanager
    def tab(self, **options: Any) -> Iterator[Page]:
        """Opens a page that is signed in; ends with what went wrong in it."""
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **options}
        context = self.browser.new_context(**settings)
        cookies = [
            {"name": name, "value": value, "url": self.up.address}
            for name, value in self.up.client.cookies.items()
        ]
        context.add_cookies(cookies)  # type: ignore[arg-type]
        page = context.new_page()
        page.set_default_timeout(60_000)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda line: complaints.append(line.text) if "Content Security" in line.text else None,
        )
        yield page
        context.close()
        assert complaints == []

    def picture(self, page: Page, name: str) -> None:
        page.wait_for_timeout(300)  # colours fade into each other
        page.screenshot(path=self.pictures / f"{name}.png")


def assert_accessible(
    page: Page, schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
) -> None:
    """Lets axe look at the page in colour schemes; fails with what it finds."""
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(page.locator(f"html[data-mantine-color-scheme={scheme}]")).to_be_attached()
        page.wait_for_timeout(300)  # colours fade into each other
        if not page.evaluate("() => 'axe' in window"):
            page.evaluate(AXE.read_text())
        found = page.evaluate(
            "async () => (await axe.run()).violations.flatMap(v => v.nodes.slice(0, 4).map("
            "n => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary.slice(0, 240)}`))"
        )
        assert found == [], "\n".join([page.url, scheme, *found])
    page.emulate_media(color_scheme="light")


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def sign_in(page: Page, user: dict[str, Any]) -> None:
    """Fills in the page that asks who one is."""
    page.get_by_label("E-mail address").fill(user["email"])
    page.get_by_label("Password").first.fill(user["password"])
    page.get_by_role("button", name="Sign in").click()
