"""CommCare HQ on localhost: its data APIs with their filters, orders, limits and quirks.

Facts: commcare-hq's docs/api/spec (OpenAPI) and `corehq/apps/api`; Dimagi's own client,
commcare-export, reads from it in `tests/integration/sources/test_commcare_client.py`.
"""

from __future__ import annotations

import base64
import copy
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from tests.doubles.commcare_messages import event, page_of
from tests.doubles.vendor import Answer, Request, Vendor

Row = dict[str, Any]
XMLNS = "http://openrosa.org/formdesigner/4281EB62-46E6-49AD-A08C-0123456789AB"
OTHER_XMLNS = "http://openrosa.org/formdesigner/9F1C22B0-1111-4C4C-8D8D-BA9876543210"
START = datetime(2024, 1, 1, tzinfo=UTC)
_SPACE = uuid.UUID("12345678-1234-5678-1234-567812345678")
_LIMITS = {"form": 1000, "case": 5000, "location": 5000}


def moment(seconds: float) -> str:
    """An instant as the forms and cases show it."""
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def uid(kind: str, number: int) -> str:
    """An id that is the same in every run."""
    return str(uuid.uuid5(_SPACE, f"{kind} {number}"))


def question(path: str, kind: str, *, repeat: str | None = None, **more: Any) -> Row:
    """A question as the application API lists it."""
    tag = {"Select": "select1", "MSelect": "select", "DataBindOnly": "hidden"}.get(kind, "input")
    return {
        "label": path.rsplit("/", 1)[-1].title(),
        "tag": tag,
        "type": kind,
        "value": f"/data/{path}",
        "repeat": None if repeat is None else f"/data/{repeat}",
        "group": None,
        "options": [],
        "relevant": None,
        **more,
    }


def application(number: int = 0) -> Row:
    """An application: a registration form with a repeat group within a repeat group, a visit."""
    return {
        "id": uid("app", number),
        "name": f"Mother and child {number}",
        "version": 7,
        "versions": [],
        "build_comment": None,
        "built_from_app_id": None,
        "built_on": None,
        "is_released": False,
        "resource_uri": "",
        "modules": [
            {
                "case_type": "mother",
                "case_properties": ["case_name", "dob", "age", "closed", "नाम"],
                "unique_id": "m0",
                "forms": [
                    {
                        "name": {"en": "Registration", "hin": "पंजीकरण"},
                        "xmlns": XMLNS,
                        "unique_id": "f0",
                        "questions": [
                            question("name", "Text"),
                            question("age", "Int"),
                            question("weight", "Double"),
                            question("dob", "Date"),
                            question("visited_at", "DateTime"),
                            question("symptoms", "MSelect"),
                            question("where", "Geopoint"),
                            question("case_notes", "Text"),
                            question("household", "Group"),
                            question("household/phone", "PhoneNumber"),
                            question("children", "Repeat"),
                            question("children/name", "Text", repeat="children"),
                            question("children/age", "Int", repeat="children"),
                            question("children/doses", "Repeat", repeat="children"),
                            question("children/doses/vaccine", "Select", repeat="children/doses"),
                        ],
                    }
                ],
            },
            {
                "case_type": "child",
                "case_properties": ["case_name", "vaccine"],
                "unique_id": "m1",
                "forms": [
                    {
                        "name": {"en": "Visit"},
                        "xmlns": OTHER_XMLNS,
                        "unique_id": "f1",
                        "questions": [question("metabolic_rate", "Double")],
                    }
                ],
            },
            {"error": "This module could not be read"},
        ],
    }


def form(number: int, *, domain: str = "demo", seconds: float | None = None) -> Row:
    """A submission as the form API gives it; every fifth is a visit."""
    at = float(number) if seconds is None else seconds
    is_visit = number % 5 == 4
    xmlns = OTHER_XMLNS if is_visit else XMLNS
    here = uid("form", number)
    meta = {
        "@xmlns": "http://openrosa.org/jr/xforms",
        "deviceID": "358001070684648",
        "instanceID": here,
        "timeStart": moment(at - 60),
        "timeEnd": moment(at - 5),
        "userID": uid("user", number % 3),
        "username": f"worker{number % 3}",
        "appVersion": 'CommCare Android, version "2.53.0"',
        "geo_point": None,
    }
    head = {"#type": "data", "@name": "Visit" if is_visit else "Registration", "@version": "7"}
    head |= {"@uiVersion": "1", "@xmlns": xmlns, "meta": meta}
    case = {"@case_id": uid("case", number), "@xmlns": "http://commcarehq.org/case/transaction/v2"}
    body: Row = {"metabolic_rate": "1.5"} if is_visit else _answers(number, at)
    return {
        "id": here,
        "domain": domain,
        "app_id": uid("app", 0),
        "build_id": uid("build", 0),
        "type": "data",
        "uiversion": "1",
        "version": "7",
        "received_on": moment(at),
        "server_modified_on": moment(at),
        "indexed_on": moment(at + 1),
        "edited_on": None,
        "edited_by_user_id": None,
        "archived": False,
        "problem": None,
        "initial_processing_complete": True,
        "is_phone_submission": True,
        "submit_ip": "10.0.0.1",
        "resource_uri": f"/a/{domain}/api/form/v1/{here}/",
        "metadata": {**meta, "timeStart": moment(at - 60)[:-1], "doc_type": "Metadata"},
        "attachments": {"form.xml": {"content_type": "text/xml", "length": 1103, "url": "/x"}},
        "form": {**head, "case": case, **body},
    }


def _answers(number: int, at: float) -> Row:
    answers: Row = {
        "name": f"Zoë 🩺 {number}",
        "age": str(20 + number % 30),
        "weight": f"{50 + number}.50",
        "dob": "1990-02-28",
        "visited_at": (START + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S.000+05:30"),
        "symptoms": "fever cough",
        "where": "18.5204 73.8567 560 5",
        "case_notes": "007",
        "household": {"phone": f"+91{9007199254740993 + number}"},
        "not_in_the_app": "kept",
    }
    children = [
        {"name": f"child {one}", "age": str(one), "doses": _doses(one), "late": "x"}
        for one in range(number % 4)
    ]
    if number % 7 == 3:
        answers["age"] = "about thirty"
    if number % 7 == 5:
        answers["age"] = ""
    # XML turned into JSON: nothing, one thing, or a list of them.
    if children:
        answers["children"] = children if len(children) > 1 else children[0]
    return answers


def _doses(number: int) -> Any:
    doses = [{"vaccine": "bcg"}, {"vaccine": "opv"}][:number]
    return doses if len(doses) != 1 else doses[0]


def case(number: int, *, domain: str = "demo", seconds: float | None = None) -> Row:
    """A case as the case API v2 gives it."""
    at = float(number) if seconds is None else seconds
    kind = "child" if number % 3 == 2 else "mother"
    closed = number % 6 == 5
    parent = {"case_id": uid("case", number - 1), "case_type": "mother", "relationship": "child"}
    return {
        "domain": domain,
        "case_id": uid("case", number),
        "case_type": kind,
        "case_name": f"Zoë 🩺 {number}",
        "external_id": "" if number % 2 else f"00{number}",
        "owner_id": uid("user", number % 3),
        "date_opened": moment(at),
        "last_modified": moment(at),
        "server_last_modified": moment(at),
        "indexed_on": moment(at + 1),
        "closed": closed,
        "date_closed": moment(at) if closed else None,
        "properties": {
            "dob": "1990-02-28",
            "age": "034",
            "नाम": "आशा",
            "closed": "no",
            "more": "x",
        },
        "indices": {"parent": parent} if kind == "child" else {},
    }


@dataclass
class CommCare(Vendor):
    """A project space, and what may go wrong with it."""

    domain: str = "demo"
    username: str = "ann@example.org"
    api_key: str = "canary-api-key-1"
    forms: list[Row] = field(default_factory=list)
    cases: list[Row] = field(default_factory=list)
    apps: list[Row] = field(default_factory=lambda: [application()])
    users: list[Row] = field(default_factory=list)
    archived_users: list[Row] = field(default_factory=list)
    groups: list[Row] = field(default_factory=list)
    locations: list[Row] = field(default_factory=list)
    tables: list[Row] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    """Resources the user may not read."""
    window: int = 10_000
    """Elasticsearch's `index.max_result_window`: deeper offsets are refused."""
    hole_at: int | None = None
    """Where a whole page of records stands that the user may not see: it comes empty."""
    has_short_next: bool = False
    """Older servers give `next` as a query alone."""

    @classmethod
    def of(cls, count: int) -> CommCare:
        """A project space with some of everything."""
        return cls(
            forms=[form(number) for number in range(count)],
            cases=[case(number) for number in range(count)],
            users=[_user(number) for number in range(5)],
            archived_users=[_user(number) for number in range(5, 7)],
            groups=[_group(number) for number in range(2)],
            locations=[_location(number) for number in range(12)],
            tables=[_table()],
            items=[_item(number) for number in range(4)],
            events=[event(number) for number in range(20)],
        )

    def edit(self, number: int, seconds: float, **changes: Any) -> None:
        """Changes a form: the server stamps and indexes it anew."""
        here = self.forms[number]
        stamp = moment(seconds)
        here.update(changes, edited_on=stamp, server_modified_on=stamp, indexed_on=stamp)

    def answer(self, request: Request) -> Answer:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "apikey" or key != f"{self.username}:{self.api_key}":
            return Answer(401, b"")
        words = request.path.strip("/").split("/")
        is_here = words[:3] == ["a", self.domain, "api"]
        resource, rest = _resource(words[3:]) if is_here else ("", [])
        if resource in self.denied:
            return Answer(403, {"error": "You do not have permission to access this resource"})
        special = {"case/v2": self._cases, "messaging-event": self._messages}
        if resource in special:
            return special[resource](request)
        lists: dict[str, list[Row]] = {
            "application": self.apps,
            "web-user": [],
            "group": self.groups,
            "location": self.locations,
            "location_type": [],
            "lookup_table": self.tables,
            "lookup_table_item": self.items,
            "form": self.forms,
            "user": self.users,
        }
        if request.query.get("archived") == "true":
            lists["user"] = self.archived_users
        if resource not in lists:
            return Answer(404, b"<html>404</html>")
        if rest:
            found = [row for row in lists[resource] if row["id"] == rest[0]]
            return Answer(body=found[0]) if found else Answer(404, b"")
        return self._page(request, resource, _filtered(resource, lists[resource], request.query))

    def _page(self, request: Request, resource: str, seen: list[Row]) -> Answer:
        cap = _LIMITS.get(resource, 1000)
        limit = min(int(request.query.get("limit", 20)) or cap, cap)
        rows: list[Row | None] = [*seen]
        if self.hole_at is not None:
            rows[self.hole_at : self.hole_at] = [None] * limit
        offset = int(request.query.get("offset", 0))
        if resource == "form" and offset + limit > self.window:
            return Answer(500, {"error_message": "Result window is too large"})
        end = offset + limit
        following = {**request.query, "limit": str(limit), "offset": str(end)}
        path = "" if self.has_short_next else request.path
        meta = {
            "limit": limit,
            "offset": offset,
            "previous": None,
            "total_count": len(rows),
            "next": f"{path}?{urlencode(following)}" if end < len(rows) else None,
        }
        return Answer(
            body={"meta": meta, "objects": [r for r in rows[offset:end] if r]}, is_data=True
        )

    def _messages(self, request: Request) -> Answer:
        address = f"{self.url}{request.path}"
        return Answer(body=page_of(self.events, request.query, address), is_data=True)

    def _cases(self, request: Request) -> Answer:
        query = dict(request.query)
        after: tuple[str, str] = ("", "")
        if "cursor" in query:
            text = base64.b64decode(query["cursor"]).decode()
            told = parse_qs(text, keep_blank_values=True)
            query = {name: values[-1] for name, values in told.items()}
            after = (query.pop("after"), query.pop("last_id"))
        limit = int(query.pop("limit", 20))
        if not 1 <= limit <= 5000:
            return Answer(400, {"error": "You cannot request more than 5000 cases per request."})
        rows = sorted(self.cases, key=lambda row: (_ms(row["indexed_on"]), row["case_id"]))
        for name, value in query.items():
            where, _, how = name.partition(".")
            if where == "indexed_on" and how in {"gte", "gt", "lte", "lt"}:
                rows = [row for row in rows if _holds(_ms(row["indexed_on"]), how, _ms(value))]
            elif name in {"case_type", "owner_id"}:
                rows = [row for row in rows if row[name] == value]
            elif name != "include_deprecated":
                return Answer(400, {"error": f"'{name}' is not a valid parameter."})
        rows = [row for row in rows if (_ms(row["indexed_on"]), row["case_id"]) > after]
        page = rows[:limit]
        body: Row
        if self.hole_at is not None and "cursor" not in request.query:
            start = urlencode({**query, "limit": limit, "after": "", "last_id": ""}).encode()
            following = {"cursor": base64.b64encode(start).decode()}
            body = {"matching_records": len(rows), "cases": [], "next": following}
            return Answer(body=body, is_data=True)
        body = {"matching_records": len(rows), "cases": page}
        if len(rows) > limit:
            last = {"after": _ms(page[-1]["indexed_on"]), "last_id": page[-1]["case_id"]}
            cursor = urlencode({**query, "limit": limit, **last}).encode()
            body["next"] = {"cursor": base64.b64encode(cursor).decode()}
        return Answer(body=body, is_data=True)


def _resource(words: list[str]) -> tuple[str, list[str]]:
    """The resource of a path, in the new style (form/v1) or the old one (v0.5/form)."""
    if words[0].startswith("v0."):
        return words[1], words[2:]
    if words[:2] == ["case", "v2"]:
        return "case/v2", words[2:]
    return words[0], words[2:]


def _filtered(resource: str, rows: list[Row], query: dict[str, str]) -> list[Row]:
    rows = copy.copy(rows)
    if resource == "form":
        if query.get("include_archived") != "true":
            rows = [row for row in rows if not row["archived"]]
        if "xmlns" in query:
            rows = [row for row in rows if row["form"]["@xmlns"] == query["xmlns"]]
        if "app_id" in query:
            rows = [row for row in rows if row["app_id"] == query["app_id"]]
        for word, how in (("start", "gte"), ("end", "lte")):
            for name in ("indexed_on", "received_on"):
                bound = query.get(f"{name}_{word}")
                if bound is not None:
                    rows = [row for row in rows if _holds(_ms(row[name]), how, _ms(bound))]
        order = query.get("order_by", "-received_on")
        # Elasticsearch keeps milliseconds: what differs by less comes in any order.
        rows.sort(key=lambda row: _ms(row[order.lstrip("-")]), reverse=order.startswith("-"))
    if resource == "location":
        bound = query.get("last_modified__gte")
        rows = [row for row in rows if bound is None or row["last_modified"] >= bound]
        if query.get("order_by") == "last_modified":
            rows.sort(key=lambda row: row["last_modified"])
    return rows


def _ms(text: str) -> str:
    plain = datetime.fromisoformat(text)
    plain = plain.replace(tzinfo=UTC) if plain.tzinfo is None else plain.astimezone(UTC)
    return plain.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def _holds(value: str, how: str, bound: str) -> bool:
    return {
        "gte": value >= bound,
        "gt": value > bound,
        "lte": value <= bound,
        "lt": value < bound,
    }[how]


def _user(number: int) -> Row:
    return {
        "id": uid("user", number),
        "username": f"worker{number}@demo.commcarehq.org",
        "first_name": "Zoë",
        "last_name": None,
        "default_phone_number": "+50253311399",
        "email": "",
        "eulas": "[]",
        "groups": [uid("group", 0)],
        "language": "hin",
        "locations": [],
        "phone_numbers": ["+50253311399"],
        "primary_location": None,
        "resource_uri": "",
        "role": None,
        "user_data": {"chw_id": "0012"},
    }


def _group(number: int) -> Row:
    return {
        "id": uid("group", number),
        "domain": "demo",
        "name": f"Group {number}",
        "case_sharing": False,
        "reporting": True,
        "metadata": {},
        "users": [uid("user", 0)],
        "resource_uri": "",
    }


def _location(number: int) -> Row:
    return {
        "location_id": uid("location", number),
        "domain": "demo",
        "last_modified": moment(number // 4)[:-1],
        "latitude": "31.4100000000",
        "longitude": None,
        "location_data": {"pop": "1001"},
        "location_type_code": "county",
        "location_type_name": "County",
        "name": f"County {number}",
        "parent_location_id": "",
        "site_code": f"county_{number}",
    }


def _table() -> Row:
    return {
        "id": uid("table", 0),
        "tag": "vaccines",
        "is_global": True,
        "item_attributes": [],
        "fields": [{"field_name": "name", "properties": ["lang"]}],
        "resource_uri": "",
    }


def _item(number: int) -> Row:
    values = [{"field_value": f"bcg {number}", "properties": {"lang": "en"}}]
    return {
        "id": uid("item", number),
        "data_type_id": uid("table", 0),
        "fields": {"name": {"field_list": values}},
        "item_attributes": {},
        "sort_key": number,
        "resource_uri": "",
    }


def as_json(row: Row) -> str:
    """A row as text that is equal for equal rows."""
    return json.dumps(row, sort_keys=True)
