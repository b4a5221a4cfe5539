"""How Airbyte's interfaces answer: bodies in camel case without nulls, pages, and problems."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from penstock.control.store.rows import Window
from penstock.errors import ConfigError, PenstockError
from penstock.server.problems import status_of

Json = dict[str, Any]

PUBLIC_API: Final = "/api/public/v1"

_ERRORS: Final = "https://reference.airbyte.com/reference/errors#"
_TITLES: Final[Mapping[int, str]] = {
    400: "bad-request",
    401: "invalid-api-key",
    403: "forbidden",
    404: "resource-not-found",
    409: "state-conflict",
    422: "unprocessable-entity",
    429: "try-again-later",
    503: "service-unavailable",
}


class Body(BaseModel):
    """A request of Airbyte's: camel case, and whatever we do not know is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class Unprocessable(ConfigError):
    """Airbyte's 422: understood, and not possible."""

    code = "unprocessable"


class PublicRoute(APIRoute):
    """A route of the public API, which answers errors as Airbyte's problem objects."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """Returns the handler with our errors answered in Airbyte's way."""
        return _answering(super().get_route_handler(), _public_problem)


def public_router(path: str = "") -> APIRouter:
    """Returns a router of the public API, with its whole address."""
    return APIRouter(prefix=f"{PUBLIC_API}{path}", route_class=PublicRoute, include_in_schema=False)


class ConfigRoute(APIRoute):
    """A route of the Config API, whose errors are a message and an id."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """Returns the handler with our errors answered in Airbyte's way."""
        return _answering(super().get_route_handler(), _config_problem)


class Asked:
    """Which part of a list is wanted, by limit and offset."""

    def __init__(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> None:
        self._url = request.url
        self.limit = limit
        self.offset = offset

    @property
    def window(self) -> Window:
        return Window(limit=self.limit, offset=self.offset)

    def page(self, items: Sequence[Json]) -> Json:
        """Returns a page; `next` is there whenever the page is not empty, as with Airbyte."""
        before = max(0, self.offset - self.limit)
        return {
            "previous": self._at(before) if self.offset else "",
            "next": self._at(self.offset + self.limit) if items else "",
            "data": list(items),
        }

    def part(self, everything: Sequence[Json]) -> Json:
        """Returns the page of a list that is at hand as a whole."""
        return self.page(everything[self.offset : self.offset + self.limit])

    def _at(self, offset: int) -> str:
        return str(self._url.include_query_params(limit=self.limit, offset=offset))


AskedFor = Annotated[Asked, Depends()]


def listed(values: Sequence[str] | None) -> tuple[str, ...] | None:
    """Returns query values given repeatedly, or with commas between, or both; None for none."""
    found = tuple(
        part.strip() for value in values or () for part in value.split(",") if part.strip()
    )
    return found or None


def without_nulls(**values: Any) -> Json:
    """Returns an object without the members that are None: dagster breaks on nulls."""
    return {name: value for name, value in values.items() if value is not None}


def seconds(moment: datetime) -> int:
    """Returns an instant as Airbyte's objects have it."""
    return int(moment.timestamp())


def instant(moment: datetime) -> str:
    """Returns an instant as Airbyte's jobs have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _answering(
    handler: Callable[[Request], Awaitable[Response]],
    problem: Callable[[PenstockError], Response],
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except PenstockError as error:
            return problem(error)
        except RequestValidationError as error:
            said = "; ".join(
                f"{'.'.join(str(step) for step in each['loc'][1:])}: {each['msg']}"
                for each in error.errors()
            )
            return problem(ConfigError(f"The request does not fit: {said}.", remedy="Correct it."))

    return answer


def _public_problem(error: PenstockError) -> Response:
    status = _status(error)
    said = f"{error.message} {error.remedy}".strip()
    title = _TITLES.get(status, "unexpected-problem")
    data: Json = {"message": said}
    if status == 404:
        data["resourceType"] = str(error.context.get("resource_type", ""))
        data["resourceId"] = str(error.context.get("resource_id", ""))
    body = {
        "status": status,
        "type": f"{_ERRORS}{title}",
        "title": title,
        "detail": said,
        "documentationUrl": None,
        "data": data,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def _config_problem(error: PenstockError) -> Response:
    body = {
        "message": f"{error.message} {error.remedy}".strip(),
        "exceptionClassName": type(error).__name__,
        "errorId": str(uuid.uuid4()),
    }
    status = _status(error)
    return JSONResponse(body, status_code=422 if status == 400 else status)


def _status(error: PenstockError) -> int:
    status = status_of(error)
    if status == 422 and not isinstance(error, Unprocessable):
        return 400
    return status
