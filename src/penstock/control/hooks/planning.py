"""What is to happen after a run, kept in the transaction that ends it: lost with it, or with it."""

from __future__ import annotations

from penstock.control.history import HookRun, Run
from penstock.control.model import Connection
from penstock.control.store import Transaction, hook_runs


def plan_hooks(tx: Transaction, run: Run, connection: Connection) -> None:
    """Keeps what is to happen after a run that has just ended, in the transaction that ends it."""
    now = run.ended_at
    if now is None or run.kind.empties:
        return
    wanted = [
        each
        for each in connection.hooks
        if each.get("when", "succeeded") in ("always", run.status.value)
    ]
    hook_runs.plan(
        tx,
        (
            HookRun(
                run_id=run.id,
                number=number,
                connection_id=connection.id,
                hook=each,
                next_at=now,
                created_at=now,
            )
            for number, each in enumerate(wanted, 1)
        ),
    )
