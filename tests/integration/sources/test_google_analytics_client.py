"""Google's own client takes the double for the Data API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
    BetaAnalyticsDataRestTransport,
)
from google.analytics.data_v1beta.types import (
    CheckCompatibilityRequest,
    Compatibility,
    DateRange,
    Dimension,
    Metric,
    MetricType,
    OrderBy,
    RunReportRequest,
)
from google.api_core.exceptions import BadRequest, Forbidden, TooManyRequests
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials

from tests.doubles.analytics_server import AnalyticsServer, events, key_file
from tests.doubles.vendor import serving

PLACE = "properties/123456789"


@pytest.fixture
def server() -> Iterator[AnalyticsServer]:
    with serving(AnalyticsServer(events=events(3))) as double:
        assert isinstance(double, AnalyticsServer)
        yield double


def client_of(server: AnalyticsServer) -> BetaAnalyticsDataClient:
    transport = BetaAnalyticsDataRestTransport(
        host=server.url.removeprefix("http://"),
        url_scheme="http",
        credentials=Credentials(token=server.token),
    )
    return BetaAnalyticsDataClient(transport=transport)


@pytest.fixture
def client(server: AnalyticsServer) -> Iterator[BetaAnalyticsDataClient]:
    with client_of(server) as found:
        yield found


def request(**more: object) -> RunReportRequest:
    asked = {
        "property": PLACE,
        "dimensions": [Dimension(name="date"), Dimension(name="country")],
        "metrics": [Metric(name="eventCount"), Metric(name="totalRevenue")],
        "date_ranges": [DateRange(start_date="2024-06-20", end_date="today")],
        "order_bys": [OrderBy(dimension={"dimension_name": "date"})],
        **more,
    }
    return RunReportRequest(**asked)


def test_client_reads_a_report_page_by_page(client: BetaAnalyticsDataClient) -> None:
    whole = client.run_report(request(return_property_quota=True))
    assert [header.type_ for header in whole.metric_headers] == [
        MetricType.TYPE_INTEGER,
        MetricType.TYPE_CURRENCY,
    ]
    assert whole.row_count == len(whole.rows) == 8
    assert whole.metadata.time_zone == "Asia/Kolkata"
    assert whole.property_quota.tokens_per_hour.consumed == 1
    pages = [client.run_report(request(offset=n, limit=3)) for n in (0, 3, 6)]
    assert [row for page in pages for row in page.rows] == list(whole.rows)
    assert {page.row_count for page in pages} == {8}


def test_client_finds_no_rows_in_an_empty_report(client: BetaAnalyticsDataClient) -> None:
    empty = client.run_report(request(date_ranges=[DateRange(start_date="2020-01-01",
                                                             end_date="2020-01-02")]))  # fmt: skip
    assert (empty.row_count, list(empty.rows)) == (0, [])


def test_client_reads_what_fields_there_are(client: BetaAnalyticsDataClient) -> None:
    metadata = client.get_metadata(name=f"{PLACE}/metadata")
    assert "customEvent:plan" in [dimension.api_name for dimension in metadata.dimensions]
    assert {metric.api_name: metric.type_ for metric in metadata.metrics}[
        "totalRevenue"
    ] == MetricType.TYPE_CURRENCY


def compatibility(*metrics: str) -> CheckCompatibilityRequest:
    return CheckCompatibilityRequest(
        property=PLACE,
        dimensions=[Dimension(name="date"), Dimension(name="customEvent:plan")],
        metrics=[Metric(name=name) for name in metrics],
        compatibility_filter=Compatibility.INCOMPATIBLE,
    )


def test_client_learns_what_does_not_go_together(client: BetaAnalyticsDataClient) -> None:
    answer = client.check_compatibility(compatibility("sessions"))
    assert list(answer.dimension_compatibilities) == []
    assert [one.metric_metadata.api_name for one in answer.metric_compatibilities] == [
        "active7DayUsers"
    ]
    with pytest.raises(BadRequest, match="Please remove active7DayUsers, customEvent:plan"):
        client.check_compatibility(compatibility("sessions", "active7DayUsers"))


def test_client_sees_how_far_figures_can_be_trusted(
    client: BetaAnalyticsDataClient, server: AnalyticsServer
) -> None:
    server.is_sampled, server.is_thresholded, server.other_after = True, True, 2
    metadata = client.run_report(request()).metadata
    assert metadata.sampling_metadatas[0].samples_read_count == 250
    assert metadata.subject_to_thresholding
    assert metadata.data_loss_from_other_row


def test_client_understands_refusals(
    client: BetaAnalyticsDataClient, server: AnalyticsServer
) -> None:
    with pytest.raises(Forbidden, match="sufficient permissions"):
        client.run_report(request(property="properties/2"))
    with pytest.raises(BadRequest, match="not a valid dimension"):
        client.run_report(request(dimensions=[Dimension(name="moon")]))
    server.hour_tokens = 0
    with pytest.raises(TooManyRequests, match="per hour"):
        client.run_report(request())


def test_client_logs_in_as_a_service_account(server: AnalyticsServer) -> None:
    account = service_account.Credentials.from_service_account_info(
        json.loads(key_file(server)),
        scopes=["https://www.googleapis.com/auth/analytics.readonly"],
    )
    with requests.Session() as session:
        account.refresh(Request(session=session))
    assert account.token == server.token
    with client_of(server) as client:
        assert client.run_report(request()).row_count == 8
