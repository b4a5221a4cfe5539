"""`gcp-storage-emulator`, which ignores conditions, with the one that penstock relies on.

Cloud Storage creates an object with `ifGenerationMatch=0` only where there is none
(https://cloud.google.com/storage/docs/request-preconditions). The emulator also answers one
connection after the other, and so none beside one that was left in mid-request.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects
from gcp_storage_emulator.server import create_server, server

Handler = Callable[[Any, Any, Any], Any]
_ONE_AT_A_TIME = threading.Lock()


def if_there_is_none(upload: Handler) -> Handler:
    """Returns a handler that keeps to the condition of a request."""

    def conditional(request: Any, response: Any, storage: Any) -> Any:
        with _ONE_AT_A_TIME:
            return answered(request, response, storage)

    def answered(request: Any, response: Any, storage: Any) -> Any:
        if "ifGenerationMatch" in request.query:
            assert request.query["ifGenerationMatch"] == ["0"], "only this condition is known here"
            named = request.query.get("name") or [request.data["meta"]["name"]]
            if exists(storage, request.params["bucket_name"], named[0]):
                words = "At least one of the pre-conditions you specified did not hold."
                reasons = [{"message": words, "reason": "conditionNotMet"}]
                response.status = HTTPStatus.PRECONDITION_FAILED
                response.json({"error": {"code": 412, "message": words, "errors": reasons}})
                return None
        return upload(request, response, storage)

    return conditional


def unconditional(upload: Handler) -> Handler:
    """Returns a handler that fails loudly where a condition would be ignored."""

    def checked(request: Any, response: Any, storage: Any) -> Any:
        assert "ifGenerationMatch" not in request.query, "no conditions in parts here"
        return upload(request, response, storage)

    return checked


def exists(storage: Any, bucket: str, name: str) -> bool:
    try:
        storage.get_file_obj(bucket, name)
    except NotFound:
        return False
    return True


if __name__ == "__main__":
    server.HTTPServer = ThreadingHTTPServer
    objects._media_upload = if_there_is_none(objects._media_upload)
    objects._multipart_upload = if_there_is_none(objects._multipart_upload)
    objects._create_resumable_upload = unconditional(objects._create_resumable_upload)
    create_server("127.0.0.1", int(sys.argv[1]), in_memory=True).run()
