"""The CommCare source itself: how its API is asked, its check, and its streams."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import quote

from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.rest import (
    Ask,
    Incremental,
    Keyset,
    NextToken,
    Reply,
    RestClient,
    RestStream,
    Retry,
)
from penstock.sdk.rest.auth import Key
from penstock.sdk.rest.body import Body
from penstock.sdk.rest.cursor import instant, iso
from penstock.sdk.stream import ReadRequest, Stream
from penstock.sources.commcare.cases import case_streams
from penstock.sources.commcare.config import MOST_CASES, CommCareConfig
from penstock.sources.commcare.design import case_types, form_designs
from penstock.sources.commcare.forms import form_streams
from penstock.sources.commcare.lists import APPLICATIONS, EDIT_DATA, list_stream, list_streams
from penstock.sources.commcare.paging import says_more

_log = logging.getLogger(__name__)

Row = dict[str, Any]

_SETTLE: Final = timedelta(minutes=2)
"""A form is searchable some seconds after it arrived; the newest belong to the next sync."""
_PATIENCE_SECONDS: Final = 3600.0
"""HQ's limits reach up to an hour (commcare-hq `corehq/project_limits`); Retry-After says which."""
_ATTEMPTS: Final = 12
"""Limits by the second, minute and hour can refuse one request several times over."""
_TIMEOUT_SECONDS: Final = 180.0
"""Large pages take HQ longer than a minute when it is busy."""
_FEW: Final = 2
"""Records a page when only one is wanted."""


class CommCareSource:
    """Reads a project space of CommCare HQ."""

    Config: ClassVar[type[CommCareConfig]] = CommCareConfig
    title: ClassVar[str] = "CommCare"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/blob/main/docs/connectors/source-commcare.md"
    )

    def __init__(
        self,
        config: CommCareConfig,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config = config
        self._client = _client(config, sleep=sleep, now=now)
        self._found: tuple[Stream, ...] | None = None

    def check(self) -> None:
        """Reads an application, a form and a case; warns of lists the user may not read."""
        with self._client:
            self._applications(is_check=True)
            for stream in (self._forms(size=_FEW), self._cases(size=_FEW)):
                stream.first_record()
            for stream in self._lists(size=_FEW):
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
        every = list_stream(
            self._client, APPLICATIONS, size=_FEW if is_check else self._config.page_size
        )
        try:
            if self._config.app_id is not None:
                return [self._application(self._config.app_id, every)]
            if is_check:
                first = every.first_record()
                return [] if first is None else [first]
            request = ReadRequest(mode=SyncMode.FULL_REFRESH)
            pages = [page for page in every.read(request) if isinstance(page, list)]
        except PenstockError as error:
            raise self._explained(error) from error
        return [row for page in pages for row in page]

    def _application(self, app_id: str, every: RestStream) -> Row:
        ask = Ask(path=f"application/v1/{quote(app_id, safe='')}/")
        try:
            return self._client.ask(ask, _object)
        except ConfigError as error:
            if error.context.get("status") != 404:
                raise
            every.first_record()  # Raises, too, where it is the project space that is wrong.
            raise ConfigError(
                f"app_id: the project space {self._config.project_space!r} has no application "
                f"{app_id!r} that this user can see.",
                remedy="Copy it from the address of the application's settings page.",
            ) from error

    def _explained(self, error: PenstockError) -> PenstockError:
        """Returns the error of a first request with the setting that is to be changed."""
        config, status = self._config, error.context.get("status")
        if status == 401:
            return AccessDenied(
                f"username, api_key: {config.base_url} refuses them.",
                remedy="Give an API key from My Account Settings > API Keys that is active, and "
                "the e-mail address of its owner.",
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

    def _forms(self, *, size: int | None = None) -> RestStream:
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
                size=size or config.page_size,
                size_param="limit",
                page_param="offset",
                counts_records=True,
                overlap=_to_millisecond,
                order=_millisecond,
                more=says_more,
            ),
            incremental=self._incremental("indexed_on", "indexed_on_start", "indexed_on_end"),
            deleted=None if config.keep_archived else "archived",
            permission=EDIT_DATA,
        )

    def _cases(self, *, size: int | None = None) -> RestStream:
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
                extra={"limit": size or min(MOST_CASES, 5 * self._config.page_size)},
            ),
            incremental=self._incremental("indexed_on", "indexed_on.gte", "indexed_on.lte"),
            permission=EDIT_DATA,
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

    def _lists(self, *, size: int | None = None) -> Iterator[RestStream]:
        lookback = timedelta(minutes=self._config.lookback_minutes)
        return list_streams(
            self._client,
            size=size or self._config.page_size,
            start=self._config.start_date,
            lookback=lookback,
            settle=_SETTLE,
        )


def _object(reply: Reply) -> Row:
    found: Row = Body(reply.content).at(())
    return found


def _client(
    config: CommCareConfig, *, sleep: Callable[[float], None], now: Callable[[], datetime]
) -> RestClient:
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
            timeout_seconds=_TIMEOUT_SECONDS,
            retry=Retry(attempts=_ATTEMPTS, patience_seconds=_PATIENCE_SECONDS),
            sleep=sleep,
            now=now,
        )
    except ConfigError as error:
        raise ConfigError(
            f"base_url: {config.base_url!r} is not the address of a server.",
            remedy="Give it as https://www.commcarehq.org.",
        ) from error


def _millisecond(value: str) -> datetime:
    """Returns an instant cut to milliseconds: Elasticsearch sorts and compares no finer."""
    moment = instant(value)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _to_millisecond(value: str) -> str:
    return iso(_millisecond(value))
