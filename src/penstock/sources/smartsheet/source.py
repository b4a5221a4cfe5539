"""The Smartsheet source itself: who asks, the check, and which sheets and reports there are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from penstock.data.types import Kind
from penstock.errors import AccessDenied, ConfigError
from penstock.sdk.rest import (
    Ask,
    NextToken,
    PageNumber,
    RateLimiter,
    RefreshToken,
    RestClient,
    RestStream,
    Retry,
    TokenAuth,
    bearer,
)
from penstock.sdk.rest.auth import Auth
from penstock.sdk.source import KeepChanges
from penstock.sdk.stream import Stream
from penstock.sources.smartsheet.beside import ATTACHMENTS, DISCUSSIONS, BesideStream
from penstock.sources.smartsheet.config import AccessToken, OAuth, SmartsheetConfig
from penstock.sources.smartsheet.stream import Place, SheetStream

_PER_SECOND = 4.0
_BURST = 60
"""Together 300 requests in the first minute, Smartsheet's limit of a token, and less later."""
_FULL_MINUTE = 60.0
_BY_NUMBER = PageNumber(size_param="pageSize", size=1000, total="totalPages")
_NAMED = {"id": Kind.INTEGER, "name": Kind.STRING, "resourceType": Kind.STRING}


def pace(
    *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> RateLimiter:
    """Returns the pace that Smartsheet allows: 300 requests of a token in any minute."""
    return RateLimiter(per_second=_PER_SECOND, burst=_BURST, clock=clock, sleep=sleep)


class SmartsheetSource:
    """Reads sheets and reports: each is a stream."""

    Config: ClassVar[type[SmartsheetConfig]] = SmartsheetConfig
    title: ClassVar[str] = "Smartsheet"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/blob/main/docs/connectors/source-smartsheet.md"
    )

    def __init__(
        self,
        config: SmartsheetConfig,
        *,
        limiter: RateLimiter | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config = config
        self._refresh: RefreshToken | None = None
        auth: Auth
        match config.credentials:
            case AccessToken(access_token=token):
                auth = bearer(token)
            case OAuth() as app:
                self._refresh = RefreshToken(
                    f"{config.address}/token",
                    refresh_token=app.refresh_token,
                    client_id=app.client_id,
                    client_secret=app.client_secret,
                )
                auth = TokenAuth(self._refresh)
        headers = {}
        if config.assume_user:
            headers["Assume-User"] = quote(config.assume_user, safe="")
        self._client = RestClient(
            config.address,
            auth=auth,
            # The limit is counted by the minute; refusals without a Retry-After wait one out.
            retry=Retry(least_seconds={429: _FULL_MINUTE}),
            limiter=limiter or pace(),
            headers=headers,
            sleep=sleep,
            now=now,
        )

    def keep_changes_with(self, keep: KeepChanges) -> None:
        """Has each new refresh token kept: the one before is good no more."""
        if self._refresh is not None:
            self._refresh.keep = lambda token: keep({"credentials": {"refresh_token": token}})

    def check(self) -> None:
        """Asks who the user is, then for one row of each sheet and report in the settings."""
        config = self._config
        with self._client:
            try:
                self._client.ask(Ask(path="users/me"), lambda reply: reply.status)
            except AccessDenied as error:
                raise AccessDenied(
                    f"Smartsheet refuses the credentials: {error.message}",
                    remedy="Make a new token in Account > Apps & Integrations > API Access, and"
                    " see whether the region is the account's.",
                    field="credentials",
                ) from error
            for place, _ in self._named():
                place.page(page=1, pageSize=1)
            for workspace in config.workspaces:
                next(self._in_workspace(workspace), None)

    def streams(self) -> Sequence[Stream]:
        """Returns the sheets and reports of the settings, or all; those of one name get their id.

        Behind them stand the lists that were asked for of what hangs on the sheets.

        Columns are asked for when a stream's schema is.
        """
        with self._client:
            found = dict(self._found())
        asked = ((self._config.attachments, ATTACHMENTS), (self._config.discussions, DISCUSSIONS))
        sheets = tuple(place for place in found if not place.is_report)
        lists = tuple(
            BesideStream(beside=beside, client=self._client, sheets=sheets)
            for is_asked, beside in asked
            if is_asked
        )
        titles = Counter([*found.values(), *(each.name for each in lists)])
        after = timedelta(hours=self._config.compare_every_hours)
        rows = (
            SheetStream(
                place,
                title if titles[title] == 1 else f"{title}_{place.id}",
                kinds=self._config.column_kinds,
                compare_after=after,
            )
            for place, title in found.items()
        )
        return (*rows, *lists)

    def _found(self) -> Iterator[tuple[Place, str]]:
        config = self._config
        if not (config.ids("sheets") or config.ids("reports") or config.workspaces):
            for is_report, path in ((False, "sheets"), (True, "reports")):
                for row in self._listed(path, _BY_NUMBER):
                    yield self._place(row["id"], is_report=is_report), row["name"]
            return
        for place, _ in self._named():
            name = place.page(page=1, pageSize=1).at(("name",))
            yield place, str(name)
        for workspace in config.workspaces:
            yield from self._in_workspace(workspace)

    def _named(self) -> Iterator[tuple[Place, None]]:
        for id in self._config.ids("sheets"):
            yield self._place(id, is_report=False), None
        for id in self._config.ids("reports"):
            yield self._place(id, is_report=True), None

    def _in_workspace(self, workspace: str) -> Iterator[tuple[Place, str]]:
        """Yields the sheets and reports of a workspace, and those in its folders."""
        paths = [f"workspaces/{workspace}/children"]
        while paths:
            path = paths.pop(0)
            try:
                for row in self._listed(path, NextToken(param="lastKey", token="lastKey")):  # noqa: S106
                    kind = str(row.get("resourceType")).lower()
                    if kind == "folder":
                        paths.append(f"folders/{row['id']}/children")
                    elif kind in ("sheet", "report"):
                        yield self._place(row["id"], is_report=kind == "report"), row["name"]
            except AccessDenied:
                raise
            except ConfigError as error:
                raise ConfigError(
                    f"The workspace {workspace} (setting workspaces) does not exist, or the user"
                    " cannot see it.",
                    remedy="See its number in the workspace's properties; take it out if deleted.",
                    field="workspaces",
                ) from error

    def _listed(self, path: str, paginate: PageNumber | NextToken) -> Iterator[Mapping[str, Any]]:
        listing = RestStream(
            client=self._client, name=path, path=path, records="data", columns=_NAMED,
            paginate=paginate,
        )  # fmt: skip
        return listing.each_record()

    def _place(self, id: int | str, *, is_report: bool) -> Place:
        return Place(client=self._client, id=str(id), is_report=is_report)
