"""A source whose refresh token is good only once; also a program: `rotating_source.py VERB …`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.data.types import Kind
from penstock.sdk.config import setting
from penstock.sdk.entrypoint import run_source
from penstock.sdk.rest import PageNumber, RefreshToken, RestClient, RestStream, TokenAuth
from penstock.sdk.source import KeepChanges
from penstock.sdk.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An OAuth client's."""

    client_id: str = setting(title="Client", description="The app's id.")
    refresh_token: str = setting(
        title="Token", description="Good once.", secret=True, alias=("old_name",)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatingConfig:
    """Where the API is, and who asks."""

    url: str = setting(title="Address", description="Of the API.")
    credentials: Credentials = setting(title="Credentials", description="Of the app.")


class RotatingSource:
    """Logs in anew for every check, discover and read."""

    Config: ClassVar[type[Any]] = RotatingConfig
    title: ClassVar[str] = "Rotating"
    documentation_url: ClassVar[str] = "https://docs.example.org/rotating"

    def __init__(self, config: RotatingConfig) -> None:
        self._token = RefreshToken(
            f"{config.url}/token",
            refresh_token=config.credentials.refresh_token,
            client_id=config.credentials.client_id,
        )
        self._people = RestStream(
            client=RestClient(config.url, auth=TokenAuth(self._token)),
            name="people",
            path="page",
            records="items",
            key=("id",),
            columns={"id": Kind.INTEGER, "name": Kind.STRING},
            paginate=PageNumber(size_param="size", size=10),
        )

    def keep_changes_with(self, keep: KeepChanges) -> None:
        self._token.keep = lambda token: keep({"credentials": {"refresh_token": token}})

    def check(self) -> None:
        self._people.first_record()

    def streams(self) -> Sequence[Stream]:
        self._people.first_record()
        return (self._people,)


if __name__ == "__main__":
    sys.exit(run_source(RotatingSource, sys.argv[1:], sys.stdout.buffer))
