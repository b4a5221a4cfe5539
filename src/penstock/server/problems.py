"""Errors as HTTP answers: problem documents (RFC 9457) made of our error tree.

{"type", "title", "status", "detail", "code", "remedy", "context", "problems"}: `detail` is what
happened, `remedy` what to do next, `problems` the fields that are wrong, each with its place.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from penstock.control.access import NotSignedIn, TooManyTries
from penstock.errors import (
    AccessDenied,
    BugError,
    ConfigError,
    ConnectionFailed,
    ConnectorFailed,
    MissingDriver,
    PenstockError,
    ResourceBusy,
    ResourceExhausted,
    TransientError,
    UnknownName,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
TYPES: Final = "https://github.com/penstock-data/penstock/tree/main/docs/reference/errors.md#"

_STATUS: Final[tuple[tuple[type[PenstockError], int], ...]] = (
    (UnknownName, 404),
    (AccessDenied, 403),
    (MissingDriver, 501),
    (ConfigError, 422),
    (ResourceBusy, 409),
    (ConnectionFailed, 503),
    (TransientError, 503),
    (ResourceExhausted, 507),
    (ConnectorFailed, 502),
)
"""From the most to the least particular: the first that fits."""


class WrongField(BaseModel):
    """One thing that is wrong, and where."""

    path: str
    message: str


class Problem(BaseModel):
    """An error as the API answers it (`application/problem+json`)."""

    type: str
    title: str
    status: int
    detail: str
    """What happened."""
    code: str
    remedy: str
    """What to do next."""
    context: dict[str, str]
    problems: list[WrongField]


def status_of(error: PenstockError) -> int:
    """Returns the HTTP status that says best what the caller can do."""
    if isinstance(error, NotSignedIn):
        return 401
    if isinstance(error, TooManyTries):
        return 429
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    remedy: str,
    context: Mapping[str, str] | None = None,
    problems: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Returns a problem document."""
    return {
        "type": f"{TYPES}{code}",
        "title": code.replace("_", " "),
        "status": status,
        "detail": detail,
        "code": code,
        "remedy": remedy,
        "context": dict(context or {}),
        "problems": [dict(each) for each in problems],
    }


def problem_of(error: PenstockError) -> dict[str, Any]:
    """Returns an error of ours as a problem document."""
    document = error.as_document()
    context = document["context"]
    listed = error.context.get("problems")
    context.pop("problems", None)
    return problem(
        status=status_of(error),
        code=error.code,
        detail=error.message,
        remedy=error.remedy,
        context=context,
        problems=[_listed(each) for each in listed] if isinstance(listed, list | tuple) else (),
    )


def install(app: FastAPI) -> None:
    """Lets the app answer every error with a problem document."""
    app.add_exception_handler(PenstockError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


def answer(document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Returns the response that carries a problem document."""
    return JSONResponse(
        document,
        status_code=int(document["status"]),
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


async def _on_ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, PenstockError):
        raise error
    document = problem_of(error)
    if document["status"] >= 500:
        logger.warning(
            "request failed",
            extra={"path": request.url.path, "code": error.code, "error": str(error)},
        )
    headers = {}
    if document["status"] == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TransientError) and error.wait_seconds is not None:
        headers["Retry-After"] = str(max(1, round(error.wait_seconds)))
    return answer(document, headers)


async def _on_validation(request: Request, error: Exception) -> Response:
    del request
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    problems = [
        {
            "path": "".join(f"/{step}" for step in each["loc"][1:]),
            "in": str(each["loc"][0]) if each["loc"] else "body",
            "message": str(each["msg"]),
        }
        for each in found
    ]
    said = "; ".join(f"{each['path'] or each['in']}: {each['message']}" for each in problems)
    return answer(
        problem(
            status=422,
            code="config",
            detail=f"The request does not fit: {said}.",
            remedy="Correct it; /api/v1/openapi.json says what is expected.",
            problems=problems,
        )
    )


async def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    known = {
        404: ("unknown_name", f"There is nothing at {request.url.path}.", "See /api/v1/docs."),
        405: (
            "method_not_allowed",
            f"{request.method} is not possible at {request.url.path}.",
            "See /api/v1/docs.",
        ),
    }
    detail = str(getattr(error, "detail", "")) or "The request cannot be answered."
    code, said, remedy = known.get(status, ("request", detail, "See /api/v1/docs."))
    return answer(problem(status=status, code=code, detail=said, remedy=remedy), headers)


async def _on_bug(request: Request, error: Exception) -> Response:
    logger.error("request failed unexpectedly", exc_info=error, extra={"path": request.url.path})
    return answer(
        problem(
            status=500,
            code=BugError.code,
            detail="penstock contradicts itself; the server's log has the details.",
            remedy="Please report it with the log.",
        )
    )


def _listed(each: object) -> dict[str, str]:
    if isinstance(each, Mapping):
        return {str(name): str(value) for name, value in each.items()}
    return {"path": "", "message": str(each)}
