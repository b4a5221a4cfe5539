"""What a property still has of Google's quotas: told by each answer, heeded before the next."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from penstock.errors import PenstockError, ResourceExhausted, TransientError

_log = logging.getLogger(__name__)
_HOURLY: Final = (
    "tokensPerHour",
    "tokensPerProjectPerHour",
    "potentiallyThresholdedRequestsPerHour",
)
_SERVER_ERRORS: Final = "serverErrorsPerProjectPerHour"
_CONCURRENT_SECONDS: Final = 5.0
_SPARE_SERVER_ERRORS: Final = 1
"""Left for others of the project: at none, Google refuses the property for the hour."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One quota: what the last answer took of it, and what it left."""

    taken: int
    left: int


class Quota:
    """The quotas of one property, as its answers tell them."""

    def __init__(self, property_id: str, *, patience: timedelta) -> None:
        """`patience` is how long a sync may wait for the next hour."""
        self._property = property_id
        self._patience = patience
        self._buckets: dict[str, Bucket] = {}
        self._at: datetime | None = None

    def note(self, told: Any, now: datetime) -> None:
        """Takes in the `propertyQuota` of an answer."""
        if not isinstance(told, Mapping):
            return
        self._at = now
        for name, bucket in told.items():
            if isinstance(bucket, Mapping):
                self._buckets[name] = Bucket(
                    int(bucket.get("consumed") or 0), int(bucket.get("remaining") or 0)
                )

    def wait_seconds(self, now: datetime) -> float:
        """Returns how long to wait before the next request, which will cost as the last did.

        Raises ResourceExhausted where that is longer than the patience, or a day.
        """
        if self._is_short("tokensPerDay"):
            raise self.exhausted("a day", "Google counts days in Pacific time")
        short = [name for name in _HOURLY if self._is_short(name)]
        if self._buckets.get(_SERVER_ERRORS, _PLENTY).left <= _SPARE_SERVER_ERRORS:
            short.append(_SERVER_ERRORS)
        if not short or self._at is None or now >= _next_hour(self._at):
            return 0.0
        return self._until_next_hour(now, " and ".join(short))

    def refusal(self, words: str, now: datetime, asked: float | None) -> PenstockError:
        """Returns what to raise for an answer 429, of which Google tells the quota in words."""
        text = words.lower()
        if "concurrent" in text:
            wait = _CONCURRENT_SECONDS if asked is None else asked
            return TransientError(words, remedy="Try again.", wait_seconds=wait, status=429)
        if "day" in text:
            return self.exhausted("a day", words)
        if "hour" in text:
            try:
                wait = self._until_next_hour(now, words)
            except ResourceExhausted as error:
                return error
            return TransientError(words, remedy="Try again.", wait_seconds=wait, status=429)
        return TransientError(words, remedy="Try again later.", wait_seconds=asked, status=429)

    def exhausted(self, span: str, words: str) -> ResourceExhausted:
        """Returns the error for a quota that the sync does not wait for."""
        return ResourceExhausted(
            f"The property {self._property} has used up its quota of {span}: {words}.",
            remedy="Sync again when the quota is full again; it continues where it stopped. Fewer"
            " reports, or more window_days, cost less.",
            property=self._property,
        )

    def _until_next_hour(self, now: datetime, words: str) -> float:
        rest = _next_hour(now) - now
        if rest > self._patience:
            raise self.exhausted("this hour", words)
        _log.warning(
            "waiting for quota",
            extra={"property": self._property, "seconds": math.ceil(rest.total_seconds())},
        )
        return rest.total_seconds()

    def _is_short(self, name: str) -> bool:
        bucket = self._buckets.get(name)
        return bucket is not None and bucket.left < max(1, bucket.taken)


_PLENTY: Final = Bucket(0, 1 << 30)


def _next_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
