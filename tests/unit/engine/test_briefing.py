"""What sources and destination programs are told of a sync: words the protocol has."""

from __future__ import annotations

import pytest

from penstock.engine.briefing import catalog_for_destination, catalog_for_source
from penstock.engine.plan import Stored, StreamTask, plan_streams
from penstock.engine.settings import SyncSettings
from penstock.protocol.catalog import DestinationSyncMode, StreamDescriptor, SyncMode
from penstock.sdk.destination import Capabilities, WriteMode
from tests.unit.engine.scripted import configured

ALL = Capabilities(modes=frozenset(WriteMode), exactly_once=True)
SETTINGS = SyncSettings(prefix="p_", namespace="marts")


def tasks(mode: SyncMode, write: DestinationSyncMode) -> tuple[StreamTask, ...]:
    return plan_streams(
        connection="c",
        streams=[configured("users", mode=mode, write=write)],
        settings=SETTINGS,
        capabilities=ALL,
        stored=Stored(by_stream={}),
        resumes_full_refresh=True,
        fence=1,
    )


@pytest.mark.parametrize(
    ("mode", "write", "told", "generations"),
    [
        (SyncMode.FULL_REFRESH, "overwrite", "overwrite", (1, 1)),
        (SyncMode.FULL_REFRESH, "overwrite_dedup", "append_dedup", (1, 1)),
        (SyncMode.INCREMENTAL, "append", "append", (0, 0)),
        (SyncMode.INCREMENTAL, "append_dedup", "append_dedup", (0, 0)),
    ],
)
def test_both_sides_are_told_modes_of_the_protocol(
    mode: SyncMode, write: str, told: str, generations: tuple[int, int]
) -> None:
    planned = tasks(mode, DestinationSyncMode(write))
    there, names = catalog_for_destination(planned, SETTINGS)
    for (stream,) in (catalog_for_source(planned).streams, there.streams):
        assert stream.destination_sync_mode == told
        assert (stream.generation_id, stream.minimum_generation_id) == generations
    assert names == {StreamDescriptor("users"): StreamDescriptor("p_users", "marts")}
    assert there.streams[0].descriptor == StreamDescriptor("p_users", "marts")
