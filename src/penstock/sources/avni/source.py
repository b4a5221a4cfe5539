"""The Avni source itself: how its API is asked, its check, and its streams."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final

from penstock.data.names import slug
from penstock.data.types import Kind
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from penstock.sdk.rest import Ask, Incremental, Keyset, RestClient, RestStream
from penstock.sdk.rest.auth import Auth
from penstock.sdk.rest.body import Body
from penstock.sdk.rest.cursor import instant
from penstock.sdk.stream import Stream
from penstock.sources.avni.config import AvniConfig
from penstock.sources.avni.login import auth_of
from penstock.sources.avni.observations import observation_columns, with_columns
from penstock.sources.avni.records import (
    CHANGING,
    CURSOR,
    ENCOUNTERS,
    ENROLMENTS,
    EXTRA,
    MODIFIED,
    PROGRAM_ENCOUNTERS,
    SUBJECTS,
    Listing,
)
from penstock.sources.avni.tasks import TaskStream
from penstock.sources.avni.types import OrganisationTypes, organisation_types

_log = logging.getLogger(__name__)

Row = dict[str, Any]

_API_VERSION: Final = 2
"""Since 2, dates among observations are dates, without a time of day."""
_MILLISECOND: Final = timedelta(milliseconds=1)
_SETTLE: Final = timedelta(seconds=30)
"""Transactions under way and clocks apart: the newest records belong to the next sync."""
_FEW: Final = 2
_TYPE_WORDS: Final = {
    "subjects": "subject",
    "program_enrolments": "program_enrolment",
    "program_encounters": "program_encounter",
    "encounters": "encounter",
}


class AvniSource:
    """Reads an organisation of an Avni server."""

    Config: ClassVar[type[AvniConfig]] = AvniConfig
    title: ClassVar[str] = "Avni"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/blob/main/docs/connectors/source-avni.md"
    )

    def __init__(
        self,
        config: AvniConfig,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        address = _address(config)
        auth = auth_of(config, address, clock=clock)
        self._client = _client(config, address, auth, sleep=sleep, now=now)
        self._found: tuple[Stream, ...] | None = None

    def check(self) -> None:
        """Reads a record of each list and type; names every privilege that is missing.

        Without subjects, enrolments or encounters it fails; of the other lists it warns.
        """
        missing: list[str] = []
        with self._client:
            for listing, types in self._by_type(self._types()):
                told = self._missing(listing, {})
                refused = [name for name in types if self._missing(listing, _only(listing, name))]
                if refused:
                    named = ", ".join(map(repr, refused))
                    told = f'{listing.name}: the privilege "{listing.privilege}" for {named}'
                if told:
                    missing.append(told)
            for listing in CHANGING:
                told = None if listing.is_core else self._missing(listing, {})
                if told:
                    _log.warning("a list is out of reach: %s", told)
        if missing:
            raise AccessDenied(
                f"username: {self._config.username} lacks, in {'; in '.join(missing)}.",
                remedy="In the web app, under Admin > User Groups > Permissions, give them to a "
                "group the user is in; or give another user.",
            )

    def _missing(self, listing: Listing, params: Row) -> str | None:
        """Returns what a user lacks to read a list, or None; raises where it is another error."""
        stream = self._stream(listing, size=_FEW)
        try:
            replace(stream, params={**stream.params, **params}).first_record()
        except PenstockError as error:
            status = error.context.get("status")
            if status == 403:
                return f"{listing.name}: the user may not {listing.permission}"
            if status == 404 and not listing.is_core:
                return f"{listing.name}: this version of Avni does not have it"
            raise self._explained(error) from error
        return None

    def _types(self) -> OrganisationTypes:
        """Asks for the organisation's types, mostly the first request: wrong settings show here."""
        try:
            return organisation_types(self._client)
        except PenstockError as error:
            raise self._explained(error) from error

    def _by_type(self, types: OrganisationTypes) -> Iterator[tuple[Listing, tuple[str, ...]]]:
        yield SUBJECTS, types.subjects
        yield ENROLMENTS, types.programs
        yield PROGRAM_ENCOUNTERS, types.program_encounters
        yield ENCOUNTERS, types.encounters

    def streams(self) -> tuple[Stream, ...]:
        """Returns every stream; asks for the organisation's types and lists, once."""
        if self._found is None:
            with self._client:
                needs_types = self._config.streams_per_type or not self._config.task_types
                types = self._types() if needs_types else OrganisationTypes()
                self._found = tuple(self._all(types))
        return self._found

    def _all(self, types: OrganisationTypes) -> Iterator[Stream]:
        for listing in CHANGING:
            if listing.is_core or self._is_there(listing):
                yield self._stream(listing)
        config = self._config
        yield TaskStream(
            client=self._client,
            types=config.task_types or types.tasks,
            page_size=config.page_size,
        )
        if config.streams_per_type:
            for listing, names in self._by_type(types):
                yield from self._per_type(listing, names)

    def _is_there(self, listing: Listing) -> bool:
        """Tells whether this version of the server has a list; who may read it is not asked."""
        try:
            self._stream(listing, size=_FEW).first_record()
        except PenstockError as error:
            if error.context.get("status") not in {403, 404}:
                raise self._explained(error) from error
            return bool(error.context["status"] == 403)
        return True

    def _stream(self, listing: Listing, *, size: int | None = None) -> RestStream:
        config = self._config
        params: Row = {"version": _API_VERSION}
        if listing is SUBJECTS and config.include_catchments:
            params["includeCatchments"] = "true"
        return RestStream(
            client=self._client,
            name=listing.name,
            path=listing.path,
            records="content",
            key=listing.key,
            identity=listing.identity,
            columns={**listing.columns, EXTRA: Kind.JSON},
            params=params,
            paginate=Keyset(
                param="lastModifiedDateTime",
                by=MODIFIED,
                size=size or config.page_size,
                size_param="size",
                page_param="page",
                overlap=lambda value: _written(instant(value) - _MILLISECOND),
                order=instant,
                more=lambda body, number: int(body.at(("totalPages",)) or 0) > number + 1,
            ),
            incremental=Incremental(
                field=MODIFIED,
                since="lastModifiedDateTime",
                until="now",
                start=config.start_date,
                # Some windows leave their ends out, and what is shown is cut to milliseconds.
                lookback=timedelta(seconds=config.lookback_seconds) + _MILLISECOND,
                settle=_SETTLE,
                is_sorted=True,
                write=_written,
            ),
            cursor_name=CURSOR,
            deleted=None if config.keep_voided else "Voided",
            transform=listing.row,
            permission=listing.permission,
        )

    def _per_type(self, listing: Listing, names: Iterable[str]) -> Iterator[RestStream]:
        """Yields a stream for each type, with columns for what its records hold."""
        taken: set[str] = set()
        for name in names:
            stream_name = f"{_TYPE_WORDS[listing.name]}_{slug(name)}"
            if stream_name in taken:
                stream_name += f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
            taken.add(stream_name)
            whole = self._stream(listing)
            params = {**whole.params, **_only(listing, name)}
            columns = self._columns(listing, params)
            yield replace(
                whole,
                name=stream_name,
                params=params,
                columns={**whole.columns, **columns},
                transform=partial(_typed_row, listing=listing, name=name, columns=tuple(columns)),
            )

    def _columns(self, listing: Listing, params: Row) -> dict[str, Kind]:
        if self._config.observations == "json":
            return {}
        return observation_columns(self._sample(listing, params), listing.observations)

    def _sample(self, listing: Listing, params: Row) -> Iterator[Row]:
        """Yields the oldest records of a type, and the newest ones."""
        size = self._config.sample_records
        pages = {0: self._page(listing, {**params, "page": 0, "size": size})}
        last = int(pages[0].at(("totalPages",)) or 0) - 1
        for number in {last - 1, last}:
            if number > 0:
                pages[number] = self._page(listing, {**params, "page": number, "size": size})
        for number in sorted(pages):
            yield from pages[number].records(("content",)).values(is_exact=False)

    def _page(self, listing: Listing, params: Row) -> Body:
        window = {
            "lastModifiedDateTime": _written(self._config.start_date),
            "now": _written(self._client.now()),
        }
        ask = Ask(path=listing.path, params={**params, **window})
        return self._client.ask(ask, lambda reply: Body(reply.content))

    def _explained(self, error: PenstockError) -> PenstockError:
        """Returns the error of a first request with the setting that is to be changed."""
        config = self._config
        if error.context.get("status") == 401:
            known = "username" if config.login == "none" else "username, password"
            return AccessDenied(
                f"{known}: {config.base_url} does not know the user {config.username!r}.",
                remedy="See whether the user exists there and is not disabled.",
            )
        if error.context.get("status") == 404:
            return ConfigError(
                f"base_url: {config.base_url} does not answer as an Avni server does.",
                remedy="Give the address of the web app, without anything behind the host.",
            )
        if isinstance(error, ConnectionFailed) and "base_url" not in error.message:
            return ConnectionFailed(
                f"base_url: {config.base_url} cannot be reached. {error.message}",
                remedy="See whether the address is right and the server is up.",
            )
        return error


def _only(listing: Listing, name: str) -> Row:
    """Returns the parameter that narrows a list to one type."""
    return {str(listing.type_parameter): name}


def _typed_row(record: Row, *, listing: Listing, name: str, columns: tuple[str, ...]) -> Row:
    row = listing.row(record)
    # Where the list is narrowed to a type, the records do not repeat it.
    row[str(listing.type_column)] = name
    return with_columns(row, columns, listing.observations)


def _written(moment: datetime) -> str:
    """Returns an instant as Avni's API wants it: yyyy-MM-dd'T'HH:mm:ss.SSSZ, not before 1970."""
    moment = max(moment.astimezone(UTC), datetime(1970, 1, 1, tzinfo=UTC))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _address(config: AvniConfig) -> str:
    address = config.base_url.strip().rstrip("/")
    return address if "://" in address else f"https://{address}"


def _client(
    config: AvniConfig,
    address: str,
    auth: Auth,
    *,
    sleep: Callable[[float], None],
    now: Callable[[], datetime],
) -> RestClient:
    headers = {"ORGANISATION-UUID": config.organisation_uuid} if config.organisation_uuid else {}
    try:
        return RestClient(address, auth=auth, headers=headers, sleep=sleep, now=now)
    except ConfigError as error:
        raise ConfigError(
            f"base_url: {config.base_url!r} is not the address of a server.",
            remedy="Give it as https://app.avniproject.org.",
        ) from error
