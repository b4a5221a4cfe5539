"""Each address has one answer: the order in which routes are looked through decides nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Match

WANTED_TWICE = {("GET", "/api/v1/channels/kinds")}
"""Spelt out among ids, and before them."""


def leaves(router: Any) -> list[Any]:
    found: list[Any] = []
    for each in router.effective_candidates() if hasattr(router, "effective_candidates") else ():
        found += leaves(each) if hasattr(each, "effective_candidates") else [each]
    return found or [router]


def test_no_address_has_two_answers(app: FastAPI) -> None:
    routes = [each for group in app.router.routes for each in leaves(group)]
    routes = [each for each in routes if not each.path.startswith("/{path")]
    assert len(routes) > 150, "FastAPI keeps its routes elsewhere now: this test sees none"
    for route in routes:
        for method in route.methods or ():
            address = (method, re.sub(r"\{[^}]*\}", "x", route.path))
            scope = {"type": "http", "method": method, "path": address[1], "headers": []}
            matching = [r.path for r in routes if r.matches(scope)[0] == Match.FULL]
            if len(matching) != 1 and address not in WANTED_TWICE:
                pytest.fail(f"{address} is answered by {matching}")
