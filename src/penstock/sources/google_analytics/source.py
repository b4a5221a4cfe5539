"""The Google Analytics source itself: who asks, the check, and which reports there are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Final

from penstock.errors import AccessDenied
from penstock.sdk.rest import RefreshToken, RestClient, Retry, ServiceAccount, TokenAuth
from penstock.sdk.rest.auth import TokenSource
from penstock.sources.google_analytics.api import Property
from penstock.sources.google_analytics.config import (
    TOKEN_ADDRESS,
    GoogleAnalyticsConfig,
    ServiceAccountKey,
)
from penstock.sources.google_analytics.presets import PRESETS, Report
from penstock.sources.google_analytics.quota import Quota
from penstock.sources.google_analytics.stream import ReportStream, Span

_SCOPE: Final = "https://www.googleapis.com/auth/analytics.readonly"
_ATTEMPTS: Final = 4
"""Google refuses a property for an hour after ten server errors."""


class GoogleAnalyticsSource:
    """Reads reports of Google Analytics 4 properties: each is a stream."""

    Config: ClassVar[type[GoogleAnalyticsConfig]] = GoogleAnalyticsConfig
    title: ClassVar[str] = "Google Analytics 4"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/blob/main/docs/connectors/"
        "source-google-analytics.md"
    )

    def __init__(
        self,
        config: GoogleAnalyticsConfig,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config = config
        self._client = RestClient(
            config.base_url,
            auth=TokenAuth(_tokens(config)),
            retry=Retry(attempts=_ATTEMPTS, patience_seconds=3900),
            sleep=sleep,
            now=now,
        )
        self._properties = tuple(
            Property(
                self._client,
                number,
                quota=Quota(number, patience=timedelta(minutes=config.quota_wait_minutes)),
                page_rows=config.page_rows,
                keep_empty_rows=config.keep_empty_rows,
                sleep=sleep,
            )
            for number in dict.fromkeys(config.property_ids)
        )

    def check(self) -> None:
        """Asks each property for its fields and its time zone, and whether own reports can be."""
        with self._client:
            try:
                for found in self._properties:
                    found.today()
                    for report in self._own:
                        found.check_known(report)
                        found.check_compatible(report)
            except AccessDenied as error:
                if "invalid_grant" not in error.message:
                    raise
                raise AccessDenied(
                    f"Google does not accept the credentials any more: {error.message}",
                    remedy="Let the app in again. While its consent screen is in testing, Google"
                    " ends its tokens after seven days.",
                    field="credentials",
                ) from error

    def streams(self) -> Sequence[ReportStream]:
        """Returns the presets whose fields every property has, and the user's own reports."""
        with self._client:
            fields = [found.fields for found in self._properties]
        own = self._own
        names = {report.name for report in own}
        offered = [
            report
            for report in PRESETS
            if report.name not in names and not any(each.unknown(report) for each in fields)
        ]
        config = self._config
        span = Span(
            start=config.start_date,
            end=config.end_date,
            window_days=config.window_days,
            lookback_days=config.lookback_days,
        )
        return tuple(
            ReportStream(report=report, properties=self._properties, span=span)
            for report in (*offered, *own)
        )

    @cached_property
    def _own(self) -> tuple[Report, ...]:
        return tuple(
            Report(
                name=report.name,
                dimensions=report.dimensions,
                metrics=report.metrics,
                dimension_filter=_text(report.dimension_filter),
                metric_filter=_text(report.metric_filter),
            )
            for report in self._config.custom_reports
        )


def _text(expression: Mapping[str, Any]) -> str | None:
    return json.dumps(expression) if expression else None


def _tokens(config: GoogleAnalyticsConfig) -> TokenSource:
    credentials = config.credentials
    if not isinstance(credentials, ServiceAccountKey):
        return RefreshToken(
            config.login_url,
            refresh_token=credentials.refresh_token,
            client_id=credentials.client_id,
            client_secret=credentials.client_secret,
        )
    key = credentials.key()
    return ServiceAccount(
        url=key.get("token_uri", TOKEN_ADDRESS),
        issuer=key["client_email"],
        private_key=key["private_key"],
        scope=_SCOPE,
        key_id=key.get("private_key_id"),
    )
