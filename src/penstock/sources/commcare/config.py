"""The settings of the CommCare source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from penstock.errors import ConfigError
from penstock.sdk.config import setting

MOST_FORMS: Final = 1000
"""Forms a page: commcare-hq `docs/api/spec/form-v1.json`, "capped at 1000"."""
MOST_CASES: Final = 5000
"""Cases a page: commcare-hq `corehq/apps/hqcase/api/get_list.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommCareConfig:
    """Which project space, as whom, and from when."""

    project_space: str = setting(
        title="Project space",
        description="Its name in addresses: `demo` in www.commcarehq.org/a/demo/.",
        examples=("demo",),
        pattern=r"^[A-Za-z0-9_.:-]+$",
        pattern_descriptor="the name alone, without slashes",
        alias=("domain",),
    )
    username: str | None = setting(
        default=None,
        title="User name",
        description="The web user's e-mail address. Not needed when the API key holds it.",
        examples=("ann@example.org",),
    )
    api_key: str = setting(
        title="API key",
        description="From My Account Settings > API Keys. `ann@example.org:key` works, too.",
        secret=True,
    )
    base_url: str = setting(
        default="https://www.commcarehq.org",
        title="Server",
        description="Another one for regional (https://india.commcarehq.org, "
        "https://eu.commcarehq.org) and for self-hosted servers.",
        examples=("https://india.commcarehq.org",),
        pattern=r"^(https?://)?[^\s/]+(/\S*)?$",
        pattern_descriptor="https://host",
    )
    app_id: str | None = setting(
        default=None,
        title="Application ID",
        description="Only this application's forms; from the address of its settings page. All "
        "applications when left out.",
    )
    start_date: datetime | None = setting(
        default=None,
        title="Start date",
        description="Forms, cases and locations changed before it are not read.",
        examples=("2024-01-01T00:00:00Z",),
    )
    keep_archived: bool = setting(
        default=False,
        title="Keep archived forms",
        description="Archived forms stay in deduplicated tables, with `archived` true. Otherwise "
        "archiving a form removes its row there.",
    )
    lookback_minutes: float = setting(
        default=5.0,
        title="Look-back in minutes",
        description="How far before the last sync's end the next begins, as forms become visible "
        "out of order. Records in it come twice; deduplication drops them.",
        minimum=0,
        maximum=525_600,
        advanced=True,
    )
    page_size: int = setting(
        default=MOST_FORMS,
        title="Records a page",
        description="Fewer where forms are very large.",
        minimum=2,
        maximum=MOST_FORMS,
        advanced=True,
    )

    def __post_init__(self) -> None:
        if self.username is None and ":" not in self.api_key:
            raise ConfigError(
                "username: is needed with the API key, as the server knows the two together.",
                remedy="Give the web user's e-mail address.",
            )

    @property
    def credentials(self) -> str:
        """User and key, as the header has them."""
        key = self.api_key.strip()
        if ":" in key:
            return key
        return f"{self.username}:{key}"
