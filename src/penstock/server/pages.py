"""The built pages: files by their hashed names, and the one page for every other address."""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException

STATIC: Final = Path(__file__).parent / "static"
_FOREVER: Final = "public, max-age=31536000, immutable"
_WITHOUT_PAGES: Final = """<!doctype html><meta charset="utf-8"><title>penstock</title>
<h1>penstock is running</h1>
<p>This installation has no pages: it was made from a source tree without them.
Build them with <code>make ui</code> and start again; or use the API at
<a href="/api/v1/openapi.json">/api/v1</a> and the command line, which need none.</p>"""


def install(app: FastAPI) -> None:
    """Lets the app answer every address that is not the API's."""

    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str, request: Request) -> Response:
        if path.startswith(("api/", "v1/")):
            raise HTTPException(status_code=404)
        root = STATIC.resolve()
        wanted = (root / path).resolve()
        if path and wanted.is_relative_to(root):
            if path.startswith("assets/"):
                return _asset(wanted, request)
            if wanted.is_file():
                return FileResponse(wanted, headers={"cache-control": "no-cache"})
        index = root / "index.html"
        if not index.is_file():
            return HTMLResponse(_WITHOUT_PAGES, headers={"cache-control": "no-cache"})
        return HTMLResponse(_at(index, request), headers={"cache-control": "no-cache"})


def _asset(wanted: Path, request: Request) -> Response:
    """Returns a file with a hashed name: kept as its gzip, and sent so to whoever takes it."""
    packed = wanted.with_name(f"{wanted.name}.gz")
    if not packed.is_file():
        raise HTTPException(status_code=404)
    kind = mimetypes.guess_type(wanted.name)[0] or "application/octet-stream"
    headers = {"cache-control": _FOREVER, "vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return FileResponse(packed, media_type=kind, headers=headers)
    plain = gzip.decompress(packed.read_bytes())
    return Response(plain, media_type=kind, headers=headers)


def _at(index: Path, request: Request) -> str:
    """Returns the page for where the server stands: behind a proxy all addresses have its path."""
    root = str(request.scope.get("root_path", "")).rstrip("/")
    text = index.read_text(encoding="utf-8")
    return text.replace('"/assets/', f'"{root}/assets/') if root else text
