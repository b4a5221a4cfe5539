"""The pages beside ten thousand connections and a million runs: the first paint, and clicks.

Chromium without a window, on the server's own machine. Each page is opened in a context of its own,
as on a first visit; a click counts from the event to the next paint (Event Timing, rounded to 8 ms
by the browser), and from the event until what was asked for stands there.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks import control_data
from benchmarks.contest import Outcome, Run, Table, say
from benchmarks.control_server import Server, served
from benchmarks.peers import install
from benchmarks.places import OUTPUT

PAINT, CLICK, THERE = "first paint of ", "answer to ", "until it is there: "
_FIRST: Final = "bench-000042"
_OPENED: Final = {
    "home": ("/", "main svg"),
    "the list of connections": ("/connections", "main tbody tr"),
    "a connection": (f"/connections/{_FIRST}", "main h1"),
    "its timeline": (f"/connections/{_FIRST}/timeline", "main select"),
    "the list of sources": ("/sources", "main tbody tr"),
    "settings": ("/settings", "main h1"),
}
"""Address, and what stands on the page once it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Click:
    """Something that is pressed on a page, and what it brings."""

    name: str
    at: str
    ready: str
    pressed: str
    brings: str
    typed: str = ""


_CLICKS: Final = (
    _Click(
        name="Connections in the sidebar",
        at="/",
        ready="main svg",
        pressed='nav a[href="/connections"]',
        brings="main tbody tr",
    ),
    _Click(
        name="a connection in the list",
        at="/connections",
        ready="main tbody tr",
        pressed="main tbody tr a",
        brings='[role="tablist"]',
    ),
    _Click(
        name="the search for 999",
        at="/connections",
        ready="main tbody tr",
        pressed='main input:not([type="checkbox"])',
        typed="999",
        brings='main tbody a[href*="bench-000999"]',
    ),
    _Click(
        name="the tab Timeline",
        at=f"/connections/{_FIRST}",
        ready='[role="tablist"]',
        pressed='[role="tab"]:has-text("Timeline")',
        brings="main select",
    ),
    _Click(
        name="New connection",
        at="/connections",
        ready="main tbody tr",
        pressed='main a[href="/connections/new"]',
        brings="main [role=combobox]",
    ),
    _Click(
        name="Sources in the sidebar",
        at="/connections",
        ready="main tbody tr",
        pressed='nav a[href="/sources"]',
        brings="main tbody tr",
    ),
)

_WATCH: Final = """([brings, before]) => {
  window.answered = [];
  window.there = null;
  new PerformanceObserver((list) => {
    for (const each of list.getEntries())
      if (['click', 'keydown', 'input'].includes(each.name)) window.answered.push(each.duration);
  }).observe({type: 'event', durationThreshold: 16});
  let from = null;
  const begin = (event) => { from ??= event.timeStamp; };
  addEventListener('click', begin, true);
  addEventListener('input', begin, true);
  const look = () => {
    if (from !== null && location.pathname + location.search !== before
        && document.querySelector(brings)) { window.there = performance.now() - from; return; }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures pages that are opened, and clicks on them."""
    kept, rounds = (100_000, 3) if quick else (control_data.RUNS, 7)
    title = f"pages beside {control_data.CONNECTIONS:,} connections and {kept:,} runs"
    say(f"pages: {title}")
    folder = OUTPUT / f"pages-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        control_data.fill(folder, run_count=kept)
        with served(folder) as server, _chromium() as browser:
            lines = []
            for name in _OPENED:
                lines += _opened(server, browser, name, rounds)
            for click in _CLICKS:
                lines += _clicked(server, browser, click, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    yield Table(path="pages", title=title, rows=kept, outcomes=tuple(lines))


def _opened(server: Server, browser: Browser, name: str, rounds: int) -> list[Outcome]:
    path, there = _OPENED[name]
    paints, whole = [], []
    for _ in range(rounds + 1):
        with _tab(server, browser) as page:
            cpu = server.cpu_seconds()
            page.goto(server.address + path)
            page.wait_for_selector(there)
            arrived = page.evaluate("() => performance.now()")
            paint = page.evaluate(
                "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
            )
            paints.append(_run(server, paint, cpu))
            whole.append(_run(server, arrived, cpu))
    return [_line(PAINT + name, paints[1:]), _line(THERE + name, whole[1:])]


def _clicked(server: Server, browser: Browser, click: _Click, rounds: int) -> list[Outcome]:
    answers, there = [], []
    for _ in range(rounds + 1):
        with _tab(server, browser) as page:
            page.goto(server.address + click.at)
            page.wait_for_selector(click.ready)
            page.wait_for_load_state("networkidle")
            page.evaluate(_WATCH, [click.brings, click.at])
            cpu = server.cpu_seconds()
            if click.typed:
                page.locator(click.pressed).first.press_sequentially(click.typed)
            else:
                page.locator(click.pressed).first.click()
            page.wait_for_function("() => window.there !== null")
            page.wait_for_timeout(100)  # the browser tells of events afterwards
            answers.append(
                _run(server, max(page.evaluate("() => window.answered"), default=8), cpu)
            )
            there.append(_run(server, page.evaluate("() => window.there"), cpu))
    return [_line(CLICK + click.name, answers[1:]), _line(THERE + click.name, there[1:])]


def _run(server: Server, milliseconds: float, cpu_before: float) -> Run:
    return Run(
        wall_seconds=milliseconds / 1000,
        cpu_seconds=server.cpu_seconds() - cpu_before,
        peak_mib=server.resident_mib(),
    )


def _line(label: str, runs: list[Run]) -> Outcome:
    ours = install("penstock")
    say(f"  {label}: {statistics.median(run.wall_seconds for run in runs) * 1000:.0f} ms")
    return Outcome(label=label, tool="penstock", version=ours.version, runs=tuple(runs))


@contextmanager
def _chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        raise RuntimeError("the pages are measured in Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def _tab(server: Server, browser: Browser) -> Iterator[Page]:
    """Opens a page of a browser that is signed in and knows nothing else."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.add_cookies(
        [
            {"name": name, "value": value, "url": server.address}
            for name, value in server.client.cookies.items()
        ]
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()
