"""Google Analytics 4 on localhost: reports made of events, quotas, and what Google takes back.

Facts: the Data API v1beta's discovery document and google-analytics-data, Google's own client,
which reads from it in `tests/integration/sources/test_google_analytics_client.py`.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.doubles.vendor import Answer, Request, Vendor

Row = dict[str, Any]
ADDRESS = "reader@project.iam.gserviceaccount.com"
NOW = datetime(2024, 6, 20, 22, 30, tzinfo=UTC)
"""The 21st already where the property is."""


@dataclass(frozen=True)
class Event:
    """What one visitor did, in the property's own time."""

    at: datetime
    user: str
    name: str = "page_view"
    country: str = "India"
    page: str = "/"
    plan: str = "(not set)"
    revenue: float = 0.0


def _week(day: date) -> str:
    """From Sunday; the week of January 1 is the first."""
    first = date(day.year, 1, 1)
    return f"{((day - first).days + (first.weekday() + 1) % 7) // 7 + 1:02d}"


DIMENSIONS: dict[str, Callable[[Event], str]] = {
    "date": lambda e: e.at.strftime("%Y%m%d"),
    "dateHour": lambda e: e.at.strftime("%Y%m%d%H"),
    "dateHourMinute": lambda e: e.at.strftime("%Y%m%d%H%M"),
    "yearWeek": lambda e: f"{e.at.year}{_week(e.at.date())}",
    "isoYearIsoWeek": lambda e: e.at.strftime("%G%V"),
    "yearMonth": lambda e: e.at.strftime("%Y%m"),
    "year": lambda e: e.at.strftime("%Y"),
    "country": lambda e: e.country,
    "eventName": lambda e: e.name,
    "pagePath": lambda e: e.page,
    "customEvent:plan": lambda e: e.plan,
}
METRICS: dict[str, tuple[str, Callable[[list[Event]], str]]] = {
    "eventCount": ("TYPE_INTEGER", lambda es: str(len(es))),
    "sessions": ("TYPE_INTEGER", lambda es: str(len({(e.user, e.at.date()) for e in es}))),
    "totalUsers": ("TYPE_INTEGER", lambda es: str(len({e.user for e in es}))),
    "active1DayUsers": ("TYPE_INTEGER", lambda es: str(len({e.user for e in es}))),
    "active7DayUsers": ("TYPE_INTEGER", lambda es: str(len({e.user for e in es}))),
    "eventCountPerUser": ("TYPE_FLOAT", lambda es: repr(len(es) / len({e.user for e in es}))),
    "totalRevenue": ("TYPE_CURRENCY", lambda es: repr(sum(e.revenue for e in es))),
}


@cache
def service_key() -> rsa.RSAPrivateKey:
    """The service account's key; made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_file(server: AnalyticsServer) -> str:
    """The key file of the service account, which logs in at the double."""
    pem = service_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps(
        {
            "type": "service_account",
            "client_email": ADDRESS,
            "private_key_id": "1",
            "private_key": pem.decode(),
            "token_uri": f"{server.url}/token",
        }
    )


def events(days: int, *, last: date = date(2024, 6, 21), a_day: int = 12) -> list[Event]:
    """Events of some days, with odd names, and a user of several days."""
    found = []
    for back in range(days):
        day = last - timedelta(days=back)
        for number in range(a_day):
            at = datetime(day.year, day.month, day.day, number % 24, number)  # noqa: DTZ001
            found.append(
                Event(
                    at=at,
                    user=f"user {number % 7}",
                    name=("page_view", "click", "purchase")[number % 3],
                    country=("India", "Côte d'Ivoire", "(not set)", "नेपाल")[number % 4],
                    page=f"/p/{number % 5}?q=🩺",
                    revenue=0.1 * (number % 3),
                )
            )
    return found


@dataclass
class AnalyticsServer(Vendor):
    """One property, and who may see it."""

    property_id: str = "123456789"
    events: list[Event] = field(default_factory=list)
    time_zone: str = "Asia/Kolkata"
    now: datetime = NOW
    token: str = "canary-token-0"
    refresh_token: str = "canary-refresh"
    tokens_given: int = 0
    day_tokens: int = 200_000
    hour_tokens: int = 40_000
    cost: int = 1
    is_thresholded: bool = False
    is_sampled: bool = False
    other_after: int | None = None
    incompatible: frozenset[str] = frozenset({"customEvent:plan", "active7DayUsers"})
    before_report: Callable[[], None] = lambda: None

    def refused(self, code: int, status: str, message: str) -> Answer:
        return Answer(status=code, body={"error": {"code": code, "message": message,
                                                   "status": status}})  # fmt: skip

    def answer(self, request: Request) -> Answer:  # noqa: PLR0911 (an API has many answers)
        if request.path == "/token":
            return self._login(request.form())
        if request.headers.get("authorization") != f"Bearer {self.token}":
            words = "Request had invalid authentication credentials."
            return self.refused(401, "UNAUTHENTICATED", words)
        _, _, rest = unquote(request.path).partition("/properties/")
        number, _, verb = rest.replace("/metadata", ":metadata").partition(":")
        if number != self.property_id:
            words = "User does not have sufficient permissions for this property."
            return self.refused(403, "PERMISSION_DENIED", words)
        match verb:
            case "metadata":
                return Answer(body=self._metadata())
            case "checkCompatibility":
                return self._compatibility(request.json())
            case "runReport":
                return self._report(request.json())
            case _:
                return self.refused(404, "NOT_FOUND", "Method not found.")

    def _login(self, form: dict[str, str]) -> Answer:
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] != self.refresh_token:
                words = {"error": "invalid_grant", "error_description": "Token has been revoked."}
                return Answer(status=400, body=words)
        else:
            head, claims, signature = form["assertion"].split(".")
            service_key().public_key().verify(
                _bytes(signature),
                f"{head}.{claims}".encode(),
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
            told = json.loads(_bytes(claims))
            assert told["iss"] == ADDRESS
            # Google's own client names the well-known address, wherever it asks.
            assert told["aud"] in {f"{self.url}/token", "https://oauth2.googleapis.com/token"}
            assert told["scope"].endswith("/analytics.readonly")
        self.tokens_given += 1
        self.token = f"canary-token-{self.tokens_given}"
        return Answer(body={"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"})

    def _metadata(self) -> Row:
        return {
            "name": f"properties/{self.property_id}/metadata",
            "dimensions": [
                {"apiName": name, "uiName": name, "customDefinition": ":" in name}
                for name in DIMENSIONS
            ],
            "metrics": [
                {"apiName": name, "uiName": name, "type": kind}
                for name, (kind, _) in METRICS.items()
            ],
        }

    def _incompatible(self, asked: Row) -> Answer | None:
        names = {one["name"] for kind in ("dimensions", "metrics") for one in asked.get(kind, ())}
        if not self.incompatible <= names:
            return None
        words = f"Please remove {', '.join(sorted(self.incompatible))} to make the request"
        words += " compatible. The request's dimensions & metrics are incompatible."
        return self.refused(400, "INVALID_ARGUMENT", words)

    def _compatibility(self, asked: Row) -> Answer:
        """Lists what could be added to a request whose own fields go together."""
        refusal = self._incompatible(asked)
        if refusal is not None:
            return refusal
        names = {one["name"] for kind in ("dimensions", "metrics") for one in asked.get(kind, ())}
        beside = {name for name in self.incompatible if self.incompatible - {name} <= names}
        body: Row = {}
        for kind, known in (("dimension", DIMENSIONS), ("metric", METRICS)):
            judged = {one: "INCOMPATIBLE" if one in beside else "COMPATIBLE" for one in known}
            wanted = asked.get("compatibilityFilter")
            wanted = {1: "COMPATIBLE", 2: "INCOMPATIBLE"}.get(
                wanted, wanted
            )  # a name, or its number
            found = [
                {f"{kind}Metadata": {"apiName": one}, "compatibility": verdict}
                for one, verdict in judged.items()
                if wanted in (None, verdict)
            ]
            if found:
                body[f"{kind}Compatibilities"] = found
        return Answer(body=body)

    def _report(self, asked: Row) -> Answer:
        self.before_report()
        names = [one["name"] for one in asked.get("dimensions", ())]
        metrics = [one["name"] for one in asked.get("metrics", ())]
        unknown = [name for name in names if name not in DIMENSIONS]
        unknown += [name for name in metrics if name not in METRICS]
        if unknown:
            words = f"Field {unknown[0]} is not a valid dimension or metric."
            return self.refused(400, "INVALID_ARGUMENT", words)
        refusal = self._incompatible(asked)
        if refusal is not None:
            return refusal
        limit, offset = int(asked.get("limit", 10_000)), int(asked.get("offset", 0))
        if not 0 < limit <= 250_000:
            return self.refused(400, "INVALID_ARGUMENT", "limit must be 1 to 250000.")
        for left, span in ((self.day_tokens, "day"), (self.hour_tokens, "hour")):
            if left < self.cost:
                words = f"Exhausted property tokens per {span}. These quota tokens will return."
                return self.refused(429, "RESOURCE_EXHAUSTED", words)
        self.day_tokens -= self.cost
        self.hour_tokens -= self.cost
        rows = self._rows(names, metrics, asked)
        page = rows[offset : offset + limit]
        metadata: Row = {"currencyCode": "INR", "timeZone": self.time_zone}
        if self.is_thresholded:
            metadata["subjectToThresholding"] = True
        if self.is_sampled:
            space = {"samplesReadCount": "250", "samplingSpaceSize": "1000"}
            metadata["samplingMetadatas"] = [space]
        if self.other_after is not None:
            metadata["dataLossFromOtherRow"] = True
        body: Row = {
            "dimensionHeaders": [{"name": name} for name in names],
            "metricHeaders": [{"name": name, "type": METRICS[name][0]} for name in metrics],
            "rowCount": len(rows),
            "metadata": metadata,
            "kind": "analyticsData#runReport",
        }
        if page:
            body["rows"] = page
        if asked.get("returnPropertyQuota"):
            body["propertyQuota"] = {
                "tokensPerDay": {"consumed": self.cost, "remaining": self.day_tokens},
                "tokensPerHour": {"consumed": self.cost, "remaining": self.hour_tokens},
                "concurrentRequests": {"remaining": 10},
                "serverErrorsPerProjectPerHour": {"remaining": 10},
            }
        return Answer(body=body, is_data=bool(page) and bool(names))

    def _rows(self, names: list[str], metrics: list[str], asked: Row) -> list[Row]:
        groups: dict[tuple[str, ...], list[Event]] = defaultdict(list)
        spans = [(self._day(s["startDate"]), self._day(s["endDate"])) for s in asked["dateRanges"]]
        wanted = asked.get("dimensionFilter", {}).get("filter")
        for event in self.events:
            if not any(first <= event.at.date() <= last for first, last in spans):
                continue
            if wanted and (
                DIMENSIONS[wanted["fieldName"]](event) != wanted["stringFilter"]["value"]
            ):
                continue
            groups[tuple(DIMENSIONS[name](event) for name in names)].append(event)
        if self.is_thresholded:
            groups = {
                key: found for key, found in groups.items() if len({e.user for e in found}) > 1
            }  # type: ignore[assignment]
        keys = sorted(groups, reverse=not asked.get("orderBys"))
        if self.other_after is not None and len(keys) > self.other_after:
            rest = [event for key in keys[self.other_after :] for event in groups[key]]
            day = keys[0][0] if names and names[0] == "date" else "(other)"
            other = (day, *["(other)"] * (len(names) - 1))
            keys = [*keys[: self.other_after], other]
            groups[other] = rest
        return [
            {
                "dimensionValues": [{"value": text} for text in key],
                "metricValues": [{"value": METRICS[name][1](groups[key])} for name in metrics],
            }
            for key in keys
        ]

    def _day(self, text: str) -> date:
        today = self.now.astimezone(ZoneInfo(self.time_zone)).date()
        back = {"today": 0, "yesterday": 1}.get(text)
        return date.fromisoformat(text) if back is None else today - timedelta(days=back)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
