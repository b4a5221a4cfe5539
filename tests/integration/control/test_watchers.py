"""Runs are told to OpenTelemetry and to OpenLineage as they went, and wait for neither."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from penstock.control.history import RunStatus
from penstock.control.observing.lineage import run_id_of
from penstock.control.observing.tracing import trace_id_of
from penstock.control.retries import RetryLimits
from tests.integration.control.collector import collecting
from tests.integration.control.plane import Site, connect_scripted, ended

CANARY = "canary-5f1"
ONCE = RetryLimits(partial_total=1)


def test_a_run_is_a_trace_of_its_attempts_and_their_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with site.running(retries=ONCE) as plane:
            good = connect_scripted(site, plane, name="good", rows=30)
            first = ended(plane, plane.request_run(good.id))
        told = collector.spans()
        collector.bodies.clear()
        with site.running(retries=ONCE) as plane:
            bad = connect_scripted(
                _site_beside(site), plane, name="bad", rows=30, fails_after=20, token=CANARY
            )
            second = ended(plane, plane.request_run(bad.id))
        failed = collector.spans()
        sent = b"".join(body for _, body in collector.bodies)
    assert (first.status, second.status) == (RunStatus.SUCCEEDED, RunStatus.FAILED)
    assert set(told) == {"sync good", "attempt 1", "stream items"}
    run, attempt, stream = (told[name] for name in ("sync good", "attempt 1", "stream items"))
    assert {int.from_bytes(each.trace_id, "big") for each in told.values()} == {trace_id_of(first)}
    assert (run.parent_span_id, attempt.parent_span_id) == (b"", run.span_id)
    assert stream.parent_span_id == attempt.span_id
    assert run.start_time_unix_nano <= attempt.start_time_unix_nano < attempt.end_time_unix_nano
    assert attempt.end_time_unix_nano <= run.end_time_unix_nano
    assert _values(stream)["penstock.rows.committed"] == 30
    assert _values(run)["penstock.run.status"] == "succeeded"
    assert {each.status.code for each in told.values()} == {Status.STATUS_CODE_OK}
    assert set(failed) == {"sync bad", "attempt 1", "stream items"}
    assert failed["sync bad"].status.code == Status.STATUS_CODE_ERROR
    assert "the vendor says no to ****" in failed["sync bad"].status.message
    assert CANARY.encode() not in sent


def test_a_run_is_told_as_lineage_with_what_it_read_wrote_and_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    with collecting() as collector:
        monkeypatch.setenv("OPENLINEAGE_URL", collector.url)
        with site.running(retries=ONCE) as plane:
            good = connect_scripted(site, plane, name="good", rows=30)
            first = ended(plane, plane.request_run(good.id))
            bad = connect_scripted(
                _site_beside(site), plane, name="bad", rows=30, fails_after=20, token=CANARY
            )
            ended(plane, plane.request_run(bad.id))
        began, done, _, failed = collector.lineage()
        sent = b"".join(body for _, body in collector.bodies)
    assert [each["eventType"] for each in (began, done, failed)] == ["START", "COMPLETE", "FAIL"]
    assert began["run"]["runId"] == done["run"]["runId"] == run_id_of(first)
    assert (done["job"]["namespace"], done["job"]["name"]) == ("penstock", "Default.good")
    assert began["inputs"] == done["inputs"]
    assert [each["name"] for each in done["inputs"]] == ["items"]
    (output,) = done["outputs"]
    assert output["namespace"] == "file"
    assert output["name"].startswith(str(site.tables))
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 30
    assert {"id", "code"} <= {each["name"] for each in output["facets"]["schema"]["fields"]}
    assert "the vendor says no to ****" in failed["run"]["facets"]["errorMessage"]["message"]
    assert CANARY.encode() not in sent


def test_a_collector_that_is_away_keeps_no_run_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with collecting() as gone:
        address = gone.url
    monkeypatch.setenv("OPENLINEAGE_URL", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    site = Site(tmp_path)
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=5)
        run = ended(plane, plane.request_run(connection.id))
    assert run.status is RunStatus.SUCCEEDED
    assert "a watcher was not told" in caplog.text


@pytest.mark.parametrize(
    ("module", "variable", "extra"),
    [
        ("opentelemetry.sdk", "OTEL_EXPORTER_OTLP_ENDPOINT", "otel"),
        ("openlineage", "OPENLINEAGE_URL", "openlineage"),
    ],
)
def test_a_missing_extra_is_named_with_its_pip_line(module: str, variable: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from penstock.control.observing.asked import asked_for\n"
        "from penstock.errors import MissingDriver\n"
        f"try: list(asked_for({{{variable!r}: 'http://localhost'}}))\n"
        "except MissingDriver as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"pip install 'penstock[{extra}]'" in done.stdout
    assert variable in done.stdout


def _site_beside(site: Site) -> Site:
    folder = site.folder / "beside"
    folder.mkdir()
    return Site(folder)


def _values(span: Span) -> dict[str, object]:
    return {
        each.key: getattr(each.value, str(each.value.WhichOneof("value")))
        for each in span.attributes
    }
