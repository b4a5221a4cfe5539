"""The CommCare source itself: how its API is asked, its check, and its streams."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import quote

from penstock.data.types import Kind
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.rest import (
    Ask,
    Incremental,
    Keyset,
    NextToken,
    RateLimiter,
    Reply,
    RestClient,
    RestStream,
    Retry,
)
from penstock.sdk.rest.auth import Key
from penstock.sdk.rest.body import Body
from penstock.sdk.rest.cursor import instant
from penstock.sdk.stream import ReadRequest, Stream
from penstock.sources.commcare.answers import utc
from penstock.sources.commcare.cases import case_streams
from penstock.sources.commcare.config import MOST_CASES, CommCareConfig
from penstock.sources.commcare.design import case_types, form_designs
from penstock.sources.commcare.forms import form_streams
from penstock.sources.commcare.paging import MetaOffset

_log = logging.getLogger(__name__)

Row = dict[str, Any]

_SETTLE: Final = timedelta(minutes=2)
"""A form is searchable some seconds after it arrived; the newest belong to the next sync."""
_PATIENCE_SECONDS: Final = 3600.0
"""HQ's limits reach up to an hour (commcare-hq `corehq/project_limits`); Retry-After says which."""
_PER_SECOND: Final = 20.0
_FEW: Final = 2
"""Records a page when only one is wanted."""
_EDIT_DATA: Final = "edit and access data, and access APIs (Roles & Permissions)"
_EDIT_USERS: Final = "edit mobile workers and groups, and access APIs (Roles & Permissions)"
_EDIT_LOCATIONS: Final = "edit locations, and access APIs (Roles & Permissions)"
_EDIT_APPS: Final = "view applications, and access APIs (Roles & Permissions)"

_USER: Final[Mapping[str, Kind]] = {
    "id": Kind.STRING,
    "username": Kind.STRING,
    "first_name": Kind.STRING,
    "last_name": Kind.STRING,
    "default_phone_number": Kind.STRING,
    "email": Kind.STRING,
    "phone_numbers": Kind.JSON,
    "role": Kind.STRING,
}
_MOBILE: Final[Mapping[str, Kind]] = {
    **_USER,
    "eulas": Kind.STRING,
    "language": Kind.STRING,
    "groups": Kind.JSON,
    "locations": Kind.JSON,
    "primary_location": Kind.STRING,
    "user_data": Kind.JSON,
}


class CommCareSource:
    """Reads a project space of CommCare HQ."""

    Config: ClassVar[type[CommCareConfig]] = CommCareConfig
    title: ClassVar[str] = "CommCare"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/blob/main/docs/connectors/source-commcare.md"
    )

    def __init__(self, config: CommCareConfig) -> None:
        self._config = config
        self._client = _client(config)
        self._found: tuple[Stream, ...] | None = None

    def check(self) -> None:
        """Reads an application, a form and a case; warns of lists the user may not read."""
        small = CommCareSource(replace(self._config, page_size=_FEW))
        with small._client:
            small._applications(is_check=True)
            for stream in (small._forms(), small._cases()):
                stream.first_record()
            for stream in small._lists():
                try:
                    stream.first_record()
                except AccessDenied as error:
                    _log.warning("the stream %s cannot be read: %s", stream.name, error)

    def streams(self) -> tuple[Stream, ...]:
        """Returns every stream; asks for the applications, once."""
        if self._found is None:
            with self._client:
                applications = self._applications()
            self._found = (
                *form_streams(self._forms(), form_designs(applications)),
                *case_streams(self._cases(), case_types(applications)),
                *self._lists(),
            )
        return self._found

    def _applications(self, *, is_check: bool = False) -> list[Row]:
        """Returns the applications with their questions, or the one chosen; a check looks at one.

        This is the first request of all, so that what is wrong with the settings shows here.
        """
        app_id = self._config.app_id
        every = self._list("applications", "application/v1/", _APPLICATION, _EDIT_APPS)
        try:
            if app_id is not None:
                return [self._client.ask(Ask(path=f"application/v1/{quote(app_id)}/"), _object)]
            if is_check:
                first = every.first_record()
                return [] if first is None else [first]
            request = ReadRequest(mode=SyncMode.FULL_REFRESH)
            pages = [page for page in every.read(request) if isinstance(page, list)]
        except PenstockError as error:
            raise self._explained(error) from error
        return [row for page in pages for row in page]

    def _explained(self, error: PenstockError) -> PenstockError:
        """Returns the error of a first request with the setting that is to be changed."""
        config, status = self._config, error.context.get("status")
        if status == 401:
            return AccessDenied(
                f"username, api_key: {config.base_url} refuses them.",
                remedy="Give an API key from My Account Settings > API Keys that is active, and "
                "the e-mail address of its owner.",
            )
        if status == 404 and config.app_id is not None:
            return ConfigError(
                f"app_id, project_space: the project space {config.project_space!r} has no "
                f"application {config.app_id!r} that this user can see.",
                remedy="Copy both from the address of the application's settings page.",
            )
        if status == 404:
            return ConfigError(
                f"project_space: {config.base_url} has no project space "
                f"{config.project_space!r} that this user can see.",
                remedy="Copy its name from the address bar: …/a/NAME/dashboard/.",
            )
        if isinstance(error, ConnectionFailed):
            return ConnectionFailed(
                f"base_url: {config.base_url} cannot be reached. {error.message}",
                remedy="See whether the address is right and the server is up.",
            )
        return error

    def _forms(self) -> RestStream:
        config = self._config
        params: Row = {"order_by": "indexed_on", "include_archived": "true"}
        if config.app_id is not None:
            params["app_id"] = config.app_id
        return RestStream(
            client=self._client,
            name="forms",
            path="form/v1/",
            records="objects",
            key=("id",),
            columns={},
            params=params,
            paginate=Keyset(
                param="indexed_on_start",
                by="indexed_on",
                size=config.page_size,
                size_param="limit",
                page_param="offset",
                counts_records=True,
                overlap=_to_millisecond,
                order=instant,
            ),
            incremental=self._incremental("indexed_on", "indexed_on_start", "indexed_on_end"),
            deleted=None if config.keep_archived else "archived",
            permission=_EDIT_DATA,
        )

    def _cases(self) -> RestStream:
        return RestStream(
            client=self._client,
            name="cases",
            path="case/v2/",
            records="cases",
            key=("case_id",),
            columns={},
            paginate=NextToken(
                param="cursor",
                token="next.cursor",  # noqa: S106 (the place of a page)
                extra={"limit": min(MOST_CASES, 5 * self._config.page_size)},
            ),
            incremental=self._incremental("indexed_on", "indexed_on.gte", "indexed_on.lte"),
            permission=_EDIT_DATA,
        )

    def _incremental(self, name: str, since: str, until: str) -> Incremental:
        return Incremental(
            field=name,
            since=since,
            until=until,
            start=self._config.start_date,
            lookback=timedelta(minutes=self._config.lookback_minutes, milliseconds=1),
            settle=_SETTLE,
            is_sorted=True,
        )

    def _lists(self) -> Iterator[RestStream]:
        """Yields what is read as a whole: people, places, applications, lookup tables."""
        users = self._list("users", "user/v1/", _MOBILE, _EDIT_USERS)
        yield users
        yield replace(users, name="deactivated_users", params={"archived": "true"})
        web = {**_USER, "is_admin": Kind.BOOLEAN, "permissions": Kind.JSON}
        yield self._list("web_users", "web-user/v1/", web, "edit web users, and access APIs")
        yield self._list("groups", "group/v1/", _GROUP, _EDIT_USERS)
        yield self._locations()
        yield self._list("location_types", "location_type/v1/", _LOCATION_TYPE, _EDIT_LOCATIONS)
        yield self._list("applications", "application/v1/", _APPLICATION, _EDIT_APPS)
        yield self._list("lookup_tables", "lookup_table/v1/", _TABLE, _EDIT_DATA)
        yield self._list("lookup_table_rows", "lookup_table_item/v1/", _TABLE_ROW, _EDIT_DATA)

    def _list(
        self, name: str, path: str, columns: Mapping[str, Kind], permission: str
    ) -> RestStream:
        return RestStream(
            client=self._client,
            name=name,
            path=path,
            records="objects",
            key=("id",),
            columns=columns,
            paginate=MetaOffset(limit=self._config.page_size),
            permission=permission,
            transform=lambda row: {name: row.get(name) for name in columns},
        )

    def _locations(self) -> RestStream:
        base = self._list("locations", "location/v2/", _LOCATION, _EDIT_LOCATIONS)
        return replace(
            base,
            key=("location_id",),
            params={"order_by": "last_modified"},
            paginate=Keyset(
                param="last_modified__gte",
                by="last_modified",
                size=self._config.page_size,
                size_param="limit",
                page_param="offset",
                counts_records=True,
                order=instant,
            ),
            incremental=Incremental(
                field="last_modified",
                since="last_modified__gte",
                start=self._config.start_date,
                lookback=timedelta(minutes=self._config.lookback_minutes),
                is_sorted=True,
                write=_without_zone,
            ),
            transform=_location_row,
        )


_GROUP: Final[Mapping[str, Kind]] = {
    "id": Kind.STRING,
    "name": Kind.STRING,
    "domain": Kind.STRING,
    "case_sharing": Kind.BOOLEAN,
    "reporting": Kind.BOOLEAN,
    "metadata": Kind.JSON,
    "users": Kind.JSON,
}
_LOCATION: Final[Mapping[str, Kind]] = {
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
}
_LOCATION_TYPE: Final[Mapping[str, Kind]] = {
    "id": Kind.INTEGER,
    "code": Kind.STRING,
    "name": Kind.STRING,
    "domain": Kind.STRING,
    "parent": Kind.STRING,
    "administrative": Kind.BOOLEAN,
    "shares_cases": Kind.BOOLEAN,
    "view_descendants": Kind.BOOLEAN,
}
_APPLICATION: Final[Mapping[str, Kind]] = {
    "id": Kind.STRING,
    "name": Kind.STRING,
    "version": Kind.INTEGER,
    "build_comment": Kind.STRING,
    "built_from_app_id": Kind.STRING,
    "built_on": Kind.TIMESTAMP_TZ,
    "is_released": Kind.BOOLEAN,
    "modules": Kind.JSON,
    "versions": Kind.JSON,
}
_TABLE: Final[Mapping[str, Kind]] = {
    "id": Kind.STRING,
    "tag": Kind.STRING,
    "is_global": Kind.BOOLEAN,
    "fields": Kind.JSON,
    "item_attributes": Kind.JSON,
}
_TABLE_ROW: Final[Mapping[str, Kind]] = {
    "id": Kind.STRING,
    "data_type_id": Kind.STRING,
    "sort_key": Kind.INTEGER,
    "fields": Kind.JSON,
    "item_attributes": Kind.JSON,
}


def _object(reply: Reply) -> Row:
    found: Row = Body(reply.content).at(())
    return found


def _client(config: CommCareConfig) -> RestClient:
    host = config.base_url.strip().rstrip("/")
    host = host if "://" in host else f"https://{host}"
    credentials = config.credentials
    auth = Key(
        value=credentials,
        header="Authorization",
        prefix="ApiKey ",
        hidden=(credentials.partition(":")[2],),
    )
    try:
        return RestClient(
            f"{host}/a/{config.project_space}/api",
            auth=auth,
            retry=Retry(patience_seconds=_PATIENCE_SECONDS),
            limiter=RateLimiter(per_second=_PER_SECOND, burst=int(_PER_SECOND)),
        )
    except ConfigError as error:
        raise ConfigError(
            f"base_url: {config.base_url!r} is not the address of a server.",
            remedy="Give it as https://www.commcarehq.org.",
        ) from error


def _to_millisecond(value: str) -> str:
    """Returns an instant cut to milliseconds: Elasticsearch compares no finer."""
    moment = instant(value)
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return cut.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _without_zone(moment: datetime) -> str:
    """Returns an instant as the location API writes and reads it: UTC without saying so."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _location_row(row: Row) -> Row:
    named = {name: row.get(name) for name in _LOCATION}
    return {**named, "last_modified": utc(row.get("last_modified"))}
