"""What a project space has beside forms and cases: people, places, messages, lookup tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from penstock.data.types import Kind
from penstock.sdk.rest import Incremental, Keyset, RestClient, RestStream
from penstock.sdk.rest.cursor import instant
from penstock.sources.commcare.answers import utc
from penstock.sources.commcare.config import MOST_FORMS
from penstock.sources.commcare.forms import EXTRA
from penstock.sources.commcare.paging import MetaOffset, says_more

Row = dict[str, Any]

EDIT_DATA: Final = "edit data, and access APIs (Users > Roles & Permissions)"
_EDIT_USERS: Final = "edit mobile workers and groups, and access APIs (Users > Roles & Permissions)"
_EDIT_WEB_USERS: Final = "edit web users, and access APIs (Users > Roles & Permissions)"
_EDIT_LOCATIONS: Final = "edit locations, and access APIs (Users > Roles & Permissions)"
_VIEW_APPS: Final = "view applications, and access APIs (Users > Roles & Permissions)"
_LEFT_OUT: Final = frozenset({"resource_uri"})
"""What only repeats the record's own address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainList:
    """One list that is read as a whole."""

    name: str
    path: str
    columns: Mapping[str, Kind]
    permission: str
    key: str = "id"
    params: Mapping[str, Any] = field(default_factory=dict)
    most: int = MOST_FORMS
    """Records a page at most."""

    def row(self, record: Row) -> Row:
        """Returns a record as a row; what has no column is kept in `_extra`."""
        row = {name: record.get(name) for name in self.columns}
        for name, kind in self.columns.items():
            if kind is Kind.TIMESTAMP_TZ:
                row[name] = utc(row[name])
        others = record.keys() - self.columns.keys() - _LEFT_OUT
        return {**row, EXTRA: {name: record[name] for name in sorted(others)} or None}


_USER: Final[Mapping[str, Kind]] = {
    "id": Kind.STRING,
    "username": Kind.STRING,
    "first_name": Kind.STRING,
    "last_name": Kind.STRING,
    "default_phone_number": Kind.STRING,
    "phone_numbers": Kind.JSON,
    "email": Kind.STRING,
    "role": Kind.STRING,
}
_USERS: Final = PlainList(
    name="users",
    path="user/v1/",
    columns={
        **_USER,
        "language": Kind.STRING,
        "groups": Kind.JSON,
        "locations": Kind.JSON,
        "primary_location": Kind.STRING,
        "user_data": Kind.JSON,
        "eulas": Kind.STRING,
    },
    permission=_EDIT_USERS,
)
_LOCATIONS: Final = PlainList(
    name="locations",
    path="location/v2/",
    columns={
        "location_id": Kind.STRING,
        "name": Kind.STRING,
        "site_code": Kind.STRING,
        "domain": Kind.STRING,
        "location_type_code": Kind.STRING,
        "location_type_name": Kind.STRING,
        "parent_location_id": Kind.STRING,
        "latitude": Kind.STRING,
        "longitude": Kind.STRING,
        "location_data": Kind.JSON,
        "last_modified": Kind.TIMESTAMP_TZ,
    },
    key="location_id",
    params={"order_by": "last_modified"},
    permission=_EDIT_LOCATIONS,
)
APPLICATIONS: Final = PlainList(
    name="applications",
    path="application/v1/",
    columns={
        "id": Kind.STRING,
        "name": Kind.STRING,
        "version": Kind.INTEGER,
        "build_comment": Kind.STRING,
        "built_from_app_id": Kind.STRING,
        "built_on": Kind.TIMESTAMP_TZ,
        "is_released": Kind.BOOLEAN,
        "modules": Kind.JSON,
        "versions": Kind.JSON,
    },
    permission=_VIEW_APPS,
    # The server works out every question of an application; many at once take it minutes.
    most=10,
)
_EVENTS: Final = PlainList(
    name="messaging_events",
    path="messaging-event/v1/",
    columns={
        "id": Kind.INTEGER,
        "domain": Kind.STRING,
        "date": Kind.TIMESTAMP_TZ,
        "date_last_activity": Kind.TIMESTAMP_TZ,
        "content_type": Kind.STRING,
        "status": Kind.STRING,
        "case_id": Kind.STRING,
        "source": Kind.JSON,
        "recipient": Kind.JSON,
        "form": Kind.JSON,
        "error": Kind.JSON,
        "messages": Kind.JSON,
    },
    params={"order_by": "date_last_activity"},
    permission=EDIT_DATA,
)
_WHOLE: Final = (
    _USERS,
    replace(_USERS, name="deactivated_users", params={"archived": "true"}),
    PlainList(
        name="web_users",
        path="web-user/v1/",
        columns={**_USER, "is_admin": Kind.BOOLEAN, "permissions": Kind.JSON},
        permission=_EDIT_WEB_USERS,
    ),
    PlainList(
        name="groups",
        path="group/v1/",
        columns={
            "id": Kind.STRING,
            "name": Kind.STRING,
            "domain": Kind.STRING,
            "case_sharing": Kind.BOOLEAN,
            "reporting": Kind.BOOLEAN,
            "users": Kind.JSON,
            "metadata": Kind.JSON,
        },
        permission=_EDIT_USERS,
    ),
    PlainList(
        name="location_types",
        path="location_type/v1/",
        columns={
            "id": Kind.INTEGER,
            "code": Kind.STRING,
            "name": Kind.STRING,
            "domain": Kind.STRING,
            "parent": Kind.STRING,
            "administrative": Kind.BOOLEAN,
            "shares_cases": Kind.BOOLEAN,
            "view_descendants": Kind.BOOLEAN,
        },
        permission=_EDIT_LOCATIONS,
    ),
    APPLICATIONS,
    PlainList(
        name="lookup_tables",
        path="lookup_table/v1/",
        columns={
            "id": Kind.STRING,
            "tag": Kind.STRING,
            "is_global": Kind.BOOLEAN,
            "fields": Kind.JSON,
            "item_attributes": Kind.JSON,
        },
        permission=EDIT_DATA,
    ),
    PlainList(
        name="lookup_table_rows",
        path="lookup_table_item/v1/",
        columns={
            "id": Kind.STRING,
            "data_type_id": Kind.STRING,
            "sort_key": Kind.INTEGER,
            "fields": Kind.JSON,
            "item_attributes": Kind.JSON,
        },
        permission=EDIT_DATA,
    ),
)


def list_streams(
    client: RestClient, *, size: int, start: datetime | None, lookback: timedelta, settle: timedelta
) -> Iterator[RestStream]:
    """Yields a stream for each list; locations and messages alone tell when they changed."""
    for plain in _WHOLE:
        yield list_stream(client, plain, size=size)
    yield replace(
        list_stream(client, _LOCATIONS, size=size),
        paginate=Keyset(
            param="last_modified__gte",
            by="last_modified",
            size=size,
            size_param="limit",
            page_param="offset",
            counts_records=True,
            order=instant,
            more=says_more,
        ),
        incremental=Incremental(
            field="last_modified",
            since="last_modified__gte",
            start=start,
            lookback=lookback,
            is_sorted=True,
            write=_without_zone,
        ),
    )
    yield replace(
        list_stream(client, _EVENTS, size=size),
        # HQ's own address of the next page drops a record where several share an instant
        # (commcare-hq `messaging_event/pagination.py`).
        paginate=Keyset(
            param="date_last_activity.gte",
            by="date_last_activity",
            size=min(size, _EVENTS.most),
            size_param="limit",
            order=instant,
        ),
        incremental=Incremental(
            field="date_last_activity",
            since="date_last_activity.gte",
            until="date_last_activity.lte",
            start=start,
            lookback=lookback,
            settle=settle,
            is_sorted=True,
            write=_without_zone,
        ),
    )


def list_stream(client: RestClient, plain: PlainList, *, size: int) -> RestStream:
    """Returns one list as a stream."""
    return RestStream(
        client=client,
        name=plain.name,
        path=plain.path,
        records="objects",
        key=(plain.key,),
        columns={**plain.columns, EXTRA: Kind.JSON},
        params=plain.params,
        paginate=MetaOffset(limit=min(size, plain.most)),
        permission=plain.permission,
        transform=plain.row,
    )


def _without_zone(moment: datetime) -> str:
    """Returns an instant as these two write and read it: UTC without saying so."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
