"""pyiceberg's client of REST catalogues, with an end to its patience.

It is named to pyiceberg by the catalogue's property `py-catalog-impl`.
"""

from __future__ import annotations

from typing import Any, Final

from pyiceberg.catalog.rest import RestCatalog
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

_SECONDS: Final = (5, 60)
"""To connect, and to wait for each part of an answer; pyiceberg's own would wait for good."""


class PatientCatalog(RestCatalog):
    """A REST catalogue that is given up when it does not answer."""

    def _create_session(self) -> Session:
        session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Patient())
        return session


class _Patient(HTTPAdapter):
    def send(  # type: ignore[override]  # a session names all options
        self, request: PreparedRequest, **options: Any
    ) -> Response:
        options["timeout"] = options.get("timeout") or _SECONDS
        return super().send(request, **options)
