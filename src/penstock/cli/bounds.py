"""How much of a machine `penstock up` may take: runs at a time, and what is kept for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter
from cyclopts.validators import Number

LIMITS = Group("Limits", sort_key=8)
KEPT = Group("What is kept", sort_key=9)
_ONE_OR_MORE = Number(gte=1)
_MORE_THAN_NONE = Number(gt=0)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Limits of runs, and of what happened: old things go by age and by size."""

    runs_at_once: Annotated[
        int | None,
        Parameter(
            group=LIMITS,
            validator=_ONE_OR_MORE,
            env_var="PENSTOCK_RUNS_AT_ONCE",
            help="Runs this server has under way at most; else two a processor, 4 or more.",
        ),
    ] = None
    runs_per_workspace: Annotated[
        int | None,
        Parameter(
            group=LIMITS,
            validator=_ONE_OR_MORE,
            env_var="PENSTOCK_RUNS_PER_WORKSPACE",
            help="Runs of one workspace at the same time, on all servers together.",
        ),
    ] = None
    runs_per_connector: Annotated[
        int | None,
        Parameter(
            group=LIMITS,
            validator=_ONE_OR_MORE,
            env_var="PENSTOCK_RUNS_PER_CONNECTOR",
            help="Runs that read from one source, or write to one destination, at the same time.",
        ),
    ] = None
    keep_runs_days: Annotated[
        float,
        Parameter(
            group=KEPT,
            show_default=True,
            validator=_MORE_THAN_NONE,
            help="Days that runs are kept, with receipts and events.",
        ),
    ] = 90.0
    keep_receipts_mib: Annotated[
        int,
        Parameter(
            group=KEPT,
            show_default=True,
            validator=_ONE_OR_MORE,
            help="MiB of receipts; the oldest go first.",
        ),
    ] = 1024
    keep_logs_days: Annotated[
        float,
        Parameter(
            group=KEPT, show_default=True, validator=_MORE_THAN_NONE, help="Days logs are kept."
        ),
    ] = 30.0
    keep_logs_mib: Annotated[
        int,
        Parameter(
            group=KEPT,
            show_default=True,
            validator=_ONE_OR_MORE,
            help="MiB of logs on this machine; the oldest go first. One log has 100 at most.",
        ),
    ] = 5120
