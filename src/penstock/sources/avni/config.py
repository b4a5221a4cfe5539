"""The settings of the Avni source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from penstock.errors import ConfigError
from penstock.sdk.config import setting

LARGEST_PAGE: Final = 2000
"""Spring caps larger pages without telling (Spring Data, `max-page-size`)."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class AvniConfig:
    """Which server, as whom, and in what shape."""

    username: str = setting(
        title="User name",
        description="As in the web app: name@organisation.",
        examples=("ann@demo",),
    )
    password: str | None = setting(
        default=None,
        title="Password",
        description="Not needed for servers without a login.",
        secret=True,
    )
    base_url: str = setting(
        default="https://app.avniproject.org",
        title="Server",
        description="Another one for staging (https://staging.avniproject.org) and for "
        "self-hosted servers.",
        examples=("https://avni.example.org",),
        pattern=r"^(https?://)?[^\s/]+(/\S*)?$",
        pattern_descriptor="https://host",
    )
    login: Literal["automatic", "token_api", "none"] = setting(
        default="automatic",
        title="Login",
        description="automatic: Cognito or Keycloak, as the server says. token_api: the server's "
        "own login, for users who are allowed to generate tokens. none: local servers.",
    )
    start_date: datetime = setting(
        default=_EPOCH,
        title="Start date",
        description="Records last changed before it are not read.",
        examples=("2024-01-01T00:00:00Z",),
    )
    streams_per_type: bool = setting(
        default=False,
        title="Streams per type",
        description="Beside the streams of everything, one for each subject type, programme and "
        "encounter type.",
    )
    observations: Literal["columns", "json"] = setting(
        default="columns",
        title="Observations",
        description="Of the streams per type. columns: one for each concept, beside "
        "`observations`. json: `observations` alone, which spares looking at a sample.",
    )
    task_types: tuple[str, ...] = setting(
        default=(),
        title="Task types",
        description="Whose tasks are read; all of the organisation's when left out.",
        examples=(["Call"],),
    )
    keep_voided: bool = setting(
        default=False,
        title="Keep voided records",
        description="Voided records stay in deduplicated tables, with `Voided` true. Otherwise "
        "voiding a record removes its row there.",
    )
    include_catchments: bool = setting(
        default=False,
        title="Catchments",
        description="Also reads the catchments of each subject, which takes the server longer.",
        advanced=True,
    )
    organisation_uuid: str | None = setting(
        default=None,
        title="Organisation UUID",
        description="For users who may switch between organisations.",
        advanced=True,
    )
    sample_records: int = setting(
        default=1000,
        title="Sample",
        description="How many of the oldest and of the newest records of a type are looked at to "
        "find its columns.",
        minimum=1,
        maximum=LARGEST_PAGE,
        advanced=True,
    )
    lookback_seconds: float = setting(
        default=60.0,
        title="Look-back in seconds",
        description="How far before the last sync's end the next begins, as Avni stamps bulk "
        "changes some seconds off. Records in it come twice; deduplication drops them.",
        minimum=0,
        maximum=31_536_000,
        advanced=True,
    )
    page_size: int = setting(
        default=1000,
        title="Records a page",
        description="Fewer where records are very large.",
        minimum=2,
        maximum=LARGEST_PAGE,
        advanced=True,
    )
    cognito_url: str | None = setting(
        default=None,
        title="Cognito address",
        description="In place of AWS's own for the region, as for a private endpoint.",
        advanced=True,
    )

    def __post_init__(self) -> None:
        if self.start_date < _EPOCH:
            raise ConfigError(
                "start_date: lies before 1970, which Avni does not understand.",
                remedy="Give 1970-01-01T00:00:00Z or later.",
            )
        if self.login != "none" and not self.password:
            raise ConfigError(
                "password: is needed for this login.",
                remedy="Give the user's password, or set login to none for a local server.",
            )
