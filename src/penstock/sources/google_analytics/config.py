"""The settings of the Google Analytics source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final, Literal

from penstock.errors import ConfigError
from penstock.sdk.config import setting

ADDRESS: Final = "https://analyticsdata.googleapis.com/v1beta"
TOKEN_ADDRESS: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
MOST_DIMENSIONS: Final = 9
MOST_METRICS: Final = 10
MOST_ROWS: Final = 250_000
"""Of one report, and of one request (Google Analytics Data API, "RunReportRequest")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """An app that a Google user let in."""

    title: ClassVar[str] = "Google account (OAuth)"

    auth_type: Literal["Client"] = setting(
        default="Client", title="How", description="Service: a service account; Client: an app."
    )
    client_id: str = setting(
        title="Client id",
        description="From Google Cloud console > APIs & Services > Credentials > your app.",
    )
    client_secret: str = setting(
        title="Client secret", description="Stands beside the client id.", secret=True
    )
    refresh_token: str = setting(
        title="Refresh token",
        description="What Google gave the app when the user let it in, for the scope"
        " analytics.readonly.",
        secret=True,
    )
    access_token: str | None = setting(
        default=None, title="Access token", description="Not used.", secret=True, hidden=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountKey:
    """A service account that is a viewer of the property."""

    title: ClassVar[str] = "Service account"

    auth_type: Literal["Service"] = setting(
        default="Service", title="How", description="Service: a service account; Client: an app."
    )
    credentials_json: str = setting(
        title="Key file",
        description="The text of the JSON key: Google Cloud console > IAM & Admin > Service"
        " accounts > Keys > Add key. Its e-mail address has to be a Viewer of the property.",
        secret=True,
        multiline=True,
    )

    def __post_init__(self) -> None:
        """Refuses what is no key file, without showing it."""
        self.key()

    def key(self) -> Mapping[str, str]:
        """Returns the key file. Raises ConfigError for anything else."""
        try:
            found = json.loads(self.credentials_json)
        except ValueError:
            found = None
        names = ("client_email", "private_key")
        if not isinstance(found, dict) or not all(isinstance(found.get(n), str) for n in names):
            raise ConfigError(
                "credentials_json is not the key file of a service account: JSON with client_email"
                " and private_key.",
                remedy="Paste the whole file that Google Cloud gave when the key was added.",
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """A report of the user's own."""

    name: str = setting(title="Name", description="Of the stream.")
    dimensions: tuple[str, ...] = setting(
        title="Dimensions",
        description="API names, at most 9. One of date, yearWeek, isoYearIsoWeek, yearMonth or year"
        " cuts the time; without one, each window of window_days has its own rows.",
        examples=(("date", "country", "customEvent:plan"),),
    )
    metrics: tuple[str, ...] = setting(
        title="Metrics", description="API names, at most 10.", examples=(("sessions",),)
    )
    dimension_filter: Mapping[str, Any] = setting(
        default_factory=dict,
        title="Dimension filter",
        description="A FilterExpression as the API has it.",
        alias=("dimensionFilter",),
        examples=({"filter": {"fieldName": "country", "stringFilter": {"value": "India"}}},),
    )
    metric_filter: Mapping[str, Any] = setting(
        default_factory=dict,
        title="Metric filter",
        description="A FilterExpression as the API has it.",
        alias=("metricFilter",),
    )

    def __post_init__(self) -> None:
        if not self.metrics or len(self.metrics) > MOST_METRICS:
            raise ConfigError(
                f"The report {self.name} has {len(self.metrics)} metrics, and may have 1 to"
                f" {MOST_METRICS}.",
                remedy="Make two reports of it.",
            )
        if len(self.dimensions) > MOST_DIMENSIONS:
            raise ConfigError(
                f"The report {self.name} has {len(self.dimensions)} dimensions, and may have"
                f" {MOST_DIMENSIONS}.",
                remedy="Make two reports of it.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleAnalyticsConfig:
    """Who asks, for which properties, from when on, and which further reports."""

    credentials: ServiceAccountKey | OAuth = setting(
        title="Credentials", description="How Google knows who asks."
    )
    property_ids: tuple[str, ...] = setting(
        title="Properties",
        description="Numbers, from Google Analytics > Admin > Property > Property details.",
        examples=(("123456789",),),
    )
    start_date: date | None = setting(
        default=None,
        title="Start date",
        description="The first day to read, in the property's time zone; a year ago when left out.",
        alias=("date_ranges_start_date",),
        examples=("2024-01-01",),
    )
    end_date: date | None = setting(
        default=None,
        title="End date",
        description="The last day to read; today when left out.",
        alias=("date_ranges_end_date",),
    )
    custom_reports: tuple[ReportConfig, ...] = setting(
        default=(),
        title="Own reports",
        description="Streams beside those that are there for every property.",
        alias=("custom_reports_array",),
    )
    window_days: int = setting(
        default=1,
        title="Window (days)",
        description="Days asked for at once. One day is least sampled; more need fewer requests."
        " Reports by week, month or year are asked for period by period.",
        minimum=1,
        maximum=365,
        alias=("window_in_days",),
    )
    lookback_days: int = setting(
        default=3,
        title="Look-back (days)",
        description="Google goes on working at a day for this long: days younger than this are read"
        " again by the next sync.",
        minimum=0,
        maximum=60,
        alias=("lookback_window",),
    )
    keep_empty_rows: bool = setting(
        default=False,
        title="Keep empty rows",
        description="Rows whose metrics are all zero, too.",
        advanced=True,
    )
    page_rows: int = setting(
        default=100_000,
        title="Rows a page",
        description="Rows of one request.",
        minimum=1,
        maximum=MOST_ROWS,
        advanced=True,
    )
    quota_wait_minutes: int = setting(
        default=10,
        title="Wait for quota (minutes)",
        description="The longest a sync waits for tokens of the next hour. Beyond, it stops, and"
        " the next sync continues there.",
        minimum=0,
        maximum=60,
        advanced=True,
    )
    base_url: str = setting(
        default=ADDRESS, title="Address", description="Of the Data API.", advanced=True
    )
    login_url: str = setting(
        default=TOKEN_ADDRESS,
        title="Login address",
        description="Where an OAuth app renews its token.",
        advanced=True,
    )
    convert_conversions_event: bool = setting(
        default=False, title="Conversions", description="Not used.", hidden=True
    )

    def __post_init__(self) -> None:
        if not self.property_ids:
            raise ConfigError("property_ids is empty.", remedy="Name at least one property.")
        for number in self.property_ids:
            if not number.isdecimal():
                raise ConfigError(
                    f"property_ids: {number!r} is no property's number.",
                    remedy="Give the number that Admin > Property details shows; not G-… or UA-….",
                )
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise ConfigError(
                f"end_date {self.end_date} lies before start_date {self.start_date}.",
                remedy="Change one of them.",
            )
        names = [report.name for report in self.custom_reports]
        if len(set(names)) < len(names):
            raise ConfigError(
                "Two of custom_reports have one name.", remedy="Give each a name of its own."
            )
