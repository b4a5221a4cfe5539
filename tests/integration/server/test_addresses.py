"""Each address has one answer: the order in which routes are looked through decides nothing."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from starlette.routing import Match, Route

WANTED_TWICE = {("GET", "/api/v1/channels/kinds")}
"""Spelt out among ids, and before them."""


def test_no_address_has_two_answers(app: FastAPI) -> None:
    routes = [each for each in app.router.routes if isinstance(each, Route)]
    routes = [each for each in routes if not each.path.startswith("/{path")]
    assert len(routes) > 150, "a router within another is not looked into"
    for route in routes:
        for method in route.methods or ():
            address = (method, re.sub(r"\{[^}]*\}", "x", route.path))
            scope = {"type": "http", "method": method, "path": address[1], "headers": []}
            matching = [r.path for r in routes if r.matches(scope)[0] == Match.FULL]
            if len(matching) != 1 and address not in WANTED_TWICE:
                pytest.fail(f"{address} is answered by {matching}")
