"""The messaging events of CommCare's double: pages by the last event's instant and id."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

Row = dict[str, Any]


def event(number: int) -> Row:
    """An event whose messages ended a minute after it began."""
    begun = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=number // 3)
    text = begun.strftime("%Y-%m-%dT%H:%M:%S.%f")
    ended = (begun + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return {
        "id": 9_007_199_254_740_993 + number,
        "content_type": "sms",
        "date": text,
        "date_last_activity": ended,
        "case_id": None,
        "domain": "demo",
        "error": None if number % 4 else {"code": "NO_PHONE_NUMBER", "message": "No number"},
        "form": None,
        "messages": [{"message_id": number, "type": "sms", "content": "नमस्ते", "date": text}],
        "recipient": {"recipient_id": "r1", "type": "case", "name": "Mary"},
        "source": {"source_id": "7", "type": "conditional-alert", "name": "Reminder"},
        "status": "completed",
    }


def page_of(events: list[Row], query: dict[str, str], address: str) -> Row:
    """A page as HQ makes it: the one after the last record is told from it by its id.

    HQ asks for one more from the last instant on, and leaves out the first where it is the one
    given last, else the last. There is a next page until one is empty.
    """
    last_id = None
    if "cursor" in query:
        told = parse_qs(base64.b64decode(query["cursor"]).decode())
        query = {name: values[-1] for name, values in told.items()}
        last_id = query.pop("last_object_id")
    limit = int(query.get("limit", 20))
    stamp = "date_last_activity"
    rows = [
        row
        for row in sorted(events, key=lambda row: (row[stamp], row["id"]))
        if query.get(f"{stamp}.gte", "") <= row[stamp] <= query.get(f"{stamp}.lte", "9")
    ]
    page = rows[:limit]
    if last_id is not None:
        page = rows[: limit + 1]
        is_there = bool(page) and str(page[0]["id"]) == last_id
        page = page[1:] if is_there else page[:-1]
    following = None
    if page:
        beyond = {f"{stamp}.gte": page[-1][stamp], "last_object_id": page[-1]["id"]}
        text = urlencode({**query, **beyond}).encode()
        following = f"{address}?{urlencode({'cursor': base64.b64encode(text).decode()})}"
    return {"meta": {"limit": limit, "next": following}, "objects": page}
