"""The script every PyAirbyte user knows, with the CommCare source of our own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

import penstock as ab
from tests.doubles.commcare_server import START, CommCare, uid
from tests.doubles.vendor import serving


@pytest.fixture
def hq() -> Iterator[CommCare]:
    with serving(CommCare.of(60)) as served:
        yield served


def test_the_script_of_pyairbytes_users_runs_on_commcare(hq: CommCare) -> None:
    source = ab.get_source(
        "source-commcare",
        install_if_missing=True,
        config={
            "base_url": hq.url,
            "project_space": hq.domain,
            "api_key": f"{hq.username}:{hq.api_key}",
            "app_id": uid("app", 0),
            "start_date": "2020-01-01T00:00:00Z",
        },
    )
    source.check()
    streams = source.get_available_streams()
    source.select_all_streams()
    cache = ab.get_default_cache()
    result = source.read(cache=cache)

    assert source.is_native
    assert {"forms", "cases", "case_mother", "form_registration_4281eb62", "users"} <= set(streams)
    forms = cache["form_registration_4281eb62"].to_pandas()
    assert len(forms) == sum(number % 5 != 4 for number in range(60))
    row = forms.set_index("id").loc[uid("form", 1)]
    assert row["form_age"] == 21
    assert row["form_case_notes"] == "007"
    assert row["form_household_phone"] == "+919007199254740994"
    assert result["cases"].to_pandas()["case_id"].nunique() == 60
    children = cache["form_registration_4281eb62__children"].to_pandas()
    assert set(children["form_id"]) <= set(forms["id"])


def test_second_read_brings_what_changed(hq: CommCare) -> None:
    source = ab.get_source(
        "source-commcare",
        config={
            "base_url": hq.url,
            "project_space": hq.domain,
            "username": hq.username,
            "api_key": hq.api_key,
        },
        streams=["forms", "cases"],
    )
    cache = ab.get_default_cache()
    source.read(cache)
    recently = datetime.now(UTC) - START - timedelta(seconds=150)
    hq.edit(3, recently.total_seconds(), archived=True)
    result = source.read(cache)
    assert len(result["forms"]) == 59
    assert len(result["cases"]) == 60
