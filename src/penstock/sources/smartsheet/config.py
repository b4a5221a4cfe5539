"""The settings of the Smartsheet source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from penstock.data.types import Kind
from penstock.errors import ConfigError
from penstock.sdk.config import setting

Region = Literal["us", "eu", "gov"]
ADDRESSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "us": "https://api.smartsheet.com/2.0",
        "eu": "https://api.smartsheet.eu/2.0",
        "gov": "https://api.smartsheetgov.com/2.0",
    }
)
"""Where each region's API is (Smartsheet API, "Introduction")."""
KINDS: Final = (Kind.STRING, Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL)
"""What the cells of a column of text and numbers can be read as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token that a user made for this purpose."""

    title: ClassVar[str] = "Access token"

    auth_type: Literal["access_token"] = setting(
        default="access_token", title="How", description="A token of a user, or an app."
    )
    access_token: str = setting(
        title="Access token",
        description="From Account > Apps & Integrations > API Access > Generate new access token.",
        secret=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """An app that a user let in. Smartsheet gives a new refresh token at each renewal."""

    title: ClassVar[str] = "OAuth 2.0"

    auth_type: Literal["oauth2.0"] = setting(
        default="oauth2.0", title="How", description="A token of a user, or an app."
    )
    client_id: str = setting(
        title="Client id", description="From Account > Developer Tools > your app."
    )
    client_secret: str = setting(
        title="Client secret", description="Stands beside the client id.", secret=True
    )
    refresh_token: str = setting(
        title="Refresh token",
        description="What Smartsheet gave the app when the user let it in. Good for one use: the"
        " one that takes its place is kept.",
        secret=True,
    )
    access_token: str | None = setting(
        default=None, title="Access token", description="Not used.", secret=True, hidden=True
    )
    token_expiry_date: str | None = setting(
        default=None, title="Token's end", description="Not used.", hidden=True, secret=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartsheetConfig:
    """Who asks, and which sheets and reports are streams."""

    credentials: AccessToken | OAuth = setting(
        title="Credentials", description="How Smartsheet knows who asks."
    )
    sheets: tuple[str, ...] = setting(
        default=(),
        title="Sheets",
        description="Ids of sheets, from File > Properties > Sheet ID. With no sheet, report and"
        " workspace named, every sheet and report the user can see is a stream.",
        examples=(["4583173393803140"],),
    )
    reports: tuple[str, ...] = setting(
        default=(),
        title="Reports",
        description="Ids of reports, from File > Properties > Report ID.",
    )
    workspaces: tuple[str, ...] = setting(
        default=(),
        title="Workspaces",
        description="Ids of workspaces, whose sheets and reports all become streams, those in"
        " folders too.",
    )
    region: Region = setting(
        default="us",
        title="Region",
        description="Where the account is: app.smartsheet.com (us), .eu (eu), smartsheetgov (gov).",
    )
    attachments: bool = setting(
        default=False,
        title="Attachments",
        description="A stream sheet_attachments: the names and kinds of files and links of all"
        " sheets, not the files.",
    )
    discussions: bool = setting(
        default=False,
        title="Discussions",
        description="A stream sheet_discussions: what people said on all sheets and their rows.",
    )
    column_kinds: Mapping[str, Literal["string", "integer", "number", "decimal"]] = setting(
        default_factory=dict,
        title="Column kinds",
        description="Column title → string, integer, number or decimal, for columns of text and"
        " numbers and dropdowns, which are text otherwise. Cells that do not fit stand in"
        " row_unfit.",
        examples=({"Budget": "decimal"},),
    )
    compare_every_hours: int = setting(
        default=24,
        title="Compare every (hours)",
        description="Results of formulas and of links between sheets can change without the sheet"
        " getting a new version. A sheet whose version is the same is compared anew after this"
        " time; 0 compares it in every sync.",
        minimum=0,
        advanced=True,
    )
    assume_user: str | None = setting(
        default=None,
        title="Assume user",
        description="E-mail address of the user to act as; for tokens of system administrators.",
        advanced=True,
    )
    base_url: str | None = setting(
        default=None,
        title="Address",
        description="Another address of the API, in place of the region's.",
        examples=tuple(ADDRESSES.values()),
        advanced=True,
    )
    spreadsheet_id: str | None = setting(
        default=None, title="Spreadsheet", description="One more of the sheets.", hidden=True
    )
    is_report: bool = setting(
        default=False, title="Is a report", description="Of spreadsheet_id.", hidden=True
    )
    start_datetime: str | None = setting(
        default=None, title="Start", description="Not used: all rows are read.", hidden=True
    )
    metadata_fields: tuple[Any, ...] = setting(
        default=(), title="Metadata", description="Not used: all are columns.", hidden=True
    )

    def __post_init__(self) -> None:
        for name in ("sheets", "reports", "workspaces"):
            for value in getattr(self, name):
                if not value.isdecimal():
                    raise ConfigError(
                        f"{name}: {value!r} is not an id.",
                        remedy="Give the number that File > Properties shows.",
                    )

    @property
    def address(self) -> str:
        """Where the API is."""
        return self.base_url or ADDRESSES[self.region]

    def ids(self, what: Literal["sheets", "reports"]) -> tuple[str, ...]:
        """Returns the ids named in the settings, each once."""
        named: list[str] = list(getattr(self, what))
        if self.spreadsheet_id and self.is_report == (what == "reports"):
            named.append(self.spreadsheet_id)
        return tuple(dict.fromkeys(named))
