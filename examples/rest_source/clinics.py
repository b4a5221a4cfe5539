"""A source for a small REST API: clinics, and the visits of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from penstock.data.types import Kind
from penstock.sdk.config import setting
from penstock.sdk.rest import Incremental, Keyset, NextToken, RestClient, RestStream, bearer
from penstock.sdk.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicsConfig:
    """Where the API is, and who asks."""

    base_url: str = setting(title="Address", description="As https://clinics.example/v1.")
    token: str = setting(title="Token", description="From Profile > API tokens.", secret=True)


class ClinicsSource:
    """Reads clinics that changed, and every visit."""

    Config: ClassVar[type[ClinicsConfig]] = ClinicsConfig
    title: ClassVar[str] = "Clinics"
    documentation_url: ClassVar[str] = "https://clinics.example/docs"

    def __init__(self, config: ClinicsConfig) -> None:
        api = RestClient(config.base_url, auth=bearer(config.token))
        clinics = RestStream(
            client=api, name="clinics", path="clinics", records="items", key=("id",),
            columns={"id": Kind.INTEGER, "name": Kind.STRING, "updated_at": Kind.TIMESTAMP_TZ},
            paginate=Keyset(param="since", by="updated_at", size=50, size_param="size"),
            incremental=Incremental(
                field="updated_at", since="since", is_sorted=True, lookback=timedelta(seconds=5)
            ),
        )  # fmt: skip
        visits = RestStream(
            client=api, name="visits", parent=clinics, path="clinics/{id}/visits", records="items",
            key=("clinic_id", "id"), carry={"clinic_id": "id"}, threads=4,
            columns={"clinic_id": Kind.INTEGER, "id": Kind.INTEGER, "cost": Kind.DECIMAL},
            paginate=NextToken(param="after", token="next"),
        )  # fmt: skip
        self._streams = (clinics, visits)

    def check(self) -> None:
        """Reads one clinic."""
        self._streams[0].first_record()

    def streams(self) -> Sequence[Stream]:
        """Returns both streams."""
        return self._streams
