"""The script of the brief on our own CommCare source, against its double: read, continue, check."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

import penstock as ab
from penstock.errors import AccessDenied
from penstock.library import exceptions as exc
from tests.doubles.commcare_server import START, CommCare, form
from tests.doubles.vendor import serving


@pytest.fixture
def hq() -> Iterator[CommCare]:
    with serving(CommCare.of(60)) as served:
        yield served


def config_of(hq: CommCare, **others: Any) -> dict[str, Any]:
    return {
        "base_url": hq.url,
        "project_space": hq.domain,
        "username": hq.username,
        "api_key": "secret_reference::COMMCARE_KEY",
        **others,
    }


def test_the_script_runs_and_continues(hq: CommCare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMCARE_KEY", hq.api_key)
    source = ab.get_source("source-commcare", install_if_missing=True, config=config_of(hq))
    source.check()
    streams = source.get_available_streams()
    assert {"forms", "cases", "users"} <= set(streams)
    source.select_all_streams()
    cache = ab.get_default_cache()
    result = source.read(cache=cache)
    assert set(result.streams) == set(streams)
    frame = cache["forms"].to_pandas()
    assert sorted(frame["id"]) == sorted(each["id"] for each in hq.forms)
    assert len(cache["cases"]) == len(hq.cases)
    before = len(hq.forms)
    settled = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=3)  # CommCare indexes late
    hq.forms.append(form(before + 1, seconds=(settled - START).total_seconds()))
    again = source.read(cache=cache)
    assert len(again["forms"]) == before + 1
    assert again.processed_records < result.processed_records


def test_a_refused_key_is_told_and_not_shown(hq: CommCare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMCARE_KEY", "canary-key")
    source = ab.get_source("source-commcare", config=config_of(hq))
    with pytest.raises(exc.AirbyteConnectorCheckFailedError) as raised:
        source.check()
    assert isinstance(raised.value, AccessDenied)
    assert "canary-key" not in f"{raised.value} {raised.value.as_document()}"
