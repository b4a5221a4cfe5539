"""Google Secret Manager: `${gcp:NAME#FIELD}`, by its REST API and google-auth.

The client google-cloud-secret-manager brings gRPC (60 MB) for the one GET that is made here.
"""

from __future__ import annotations

import base64
import os
from typing import Any, Final

from penstock.engine.secret_stores.answers import asked
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, MissingDriver

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_ENDPOINT: Final = "https://secretmanager.googleapis.com/"
_ENDPOINT_VARIABLE: Final = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"
_REMEDY: Final = (
    "Check the name, and that the account has the role Secret Manager Secret Accessor: `gcloud "
    "secrets versions access latest --secret NAME` has to work."
)


def read(name: str) -> str:
    """Returns a secret's text.

    `name` is NAME, NAME/VERSION, or projects/PROJECT/secrets/NAME[/versions/VERSION]. Who asks is
    found by Application Default Credentials.
    """
    credentials, project = _signed_in()
    resource = _resource(name, project)
    found = asked(
        "GET",
        f"{os.environ.get(_ENDPOINT_VARIABLE, _ENDPOINT).rstrip('/')}/v1/{resource}:access",
        what=f"Google Secret Manager ({resource})",
        remedy=_REMEDY,
        headers={"Authorization": f"Bearer {credentials.token}"},
    )
    try:
        return base64.b64decode(found["payload"]["data"]).decode()
    except (KeyError, ValueError) as error:
        raise ConfigError(f"The secret {resource} is no text.", remedy="Keep text.") from error


def _signed_in() -> tuple[Any, str | None]:
    try:
        import google.auth  # noqa: PLC0415 (only this needs it)
        import google.auth.exceptions  # noqa: PLC0415
        import google.auth.transport.requests  # noqa: PLC0415
    except ImportError as error:
        raise MissingDriver(
            "${gcp:…} needs google-auth.", remedy='pip install "penstock[gcp]"'
        ) from error
    try:
        found: tuple[Any, str | None] = google.auth.default(scopes=[_SCOPE])
        credentials, project = found
        credentials.refresh(google.auth.transport.requests.Request())
    except google.auth.exceptions.TransportError as error:
        raise ConnectionFailed(
            "Google's sign-in cannot be reached.", remedy="Check the network."
        ) from error
    except google.auth.exceptions.GoogleAuthError as error:
        raise AccessDenied(
            "Nobody is signed in to Google Cloud.",
            remedy="Set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run `gcloud auth "
            "application-default login`.",
        ) from error
    return credentials, project


def _resource(name: str, project: str | None) -> str:
    if name.startswith("projects/"):
        return name if "/versions/" in name else f"{name}/versions/latest"
    if project is None:
        raise ConfigError(
            f"No project of Google Cloud is chosen for {name}.",
            remedy="Set GOOGLE_CLOUD_PROJECT, or write projects/PROJECT/secrets/NAME.",
        )
    secret, _, version = name.partition("/")
    return f"projects/{project}/secrets/{secret}/versions/{version or 'latest'}"
