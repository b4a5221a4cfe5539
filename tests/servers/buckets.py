"""Buckets of three clouds, by the scheme of their addresses."""

from __future__ import annotations

from typing import Final

import pytest

from tests.servers.azure_storage import azure_container_served
from tests.servers.bucket import s3_bucket_served
from tests.servers.google_storage import google_bucket_served

SERVED: Final = {
    "s3": s3_bucket_served,
    "az": azure_container_served,
    "gs": google_bucket_served,
}
SCHEMES: Final = ("s3", pytest.param("az", marks=pytest.mark.network), "gs")
"""As the parameters of a fixture."""
