"""What was made of what, told as OpenLineage has it. Needs the extra `openlineage`.

A run is one run of a job that is named after its connection: START, RUNNING for further attempts,
then COMPLETE, FAIL or ABORT. Datasets are named by the specification ("Naming",
https://openlineage.io/docs/spec/naming/), so that they meet those other tools tell of. Where it is
sent is said by the client's own variables, as OPENLINEAGE_URL.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from penstock.control.history import Failure, Run, RunStatus
from penstock.control.observing.watchers import End, Moment, Seen, StreamProof
from penstock.errors import ConnectionFailed, MissingDriver
from penstock.version import __version__

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunState

PRODUCER: Final = f"https://github.com/penstock-data/penstock/tree/v{__version__}"
_NAMESPACE: Final = "OPENLINEAGE_NAMESPACE"
_RUNS: Final = uuid.UUID("b0a7d6f2-92f4-5a0e-8d55-70656e73746f")
_ENDS: Final = {
    RunStatus.SUCCEEDED: "COMPLETE",
    RunStatus.FAILED: "FAIL",
    RunStatus.CANCELLED: "ABORT",
}


class Lineage:
    """Tells of runs, their inputs and their outputs."""

    def __init__(self, client: OpenLineageClient | None = None) -> None:
        """Without a client it is made from variables. Raises MissingDriver without the extra."""
        try:
            from openlineage.client import OpenLineageClient  # noqa: PLC0415 (an extra)
        except ModuleNotFoundError as error:
            raise MissingDriver(
                "Lineage is asked for by OPENLINEAGE_URL, and OpenLineage is not installed.",
                remedy="pip install 'penstock[openlineage]', or unset the variable.",
            ) from error
        self._client = client or OpenLineageClient()

    def tell(self, moment: Moment, seen: Seen) -> None:
        """Sends one event; raises ConnectionFailed when it could not be sent."""
        import requests  # noqa: PLC0415 (what the client sends with)
        from openlineage.client.event_v2 import Job, RunEvent, RunState  # noqa: PLC0415
        from openlineage.client.event_v2 import Run as LineageRun  # noqa: PLC0415
        from openlineage.client.generated.job_type_job import JobTypeJobFacet  # noqa: PLC0415

        state = _state(RunState, moment, seen)
        at = seen.attempt.started_at if moment is Moment.BEGAN else seen.run.updated_at
        job_type = JobTypeJobFacet(
            processingType="BATCH",
            integration="PENSTOCK",
            jobType=seen.run.kind.value.upper(),
            producer=PRODUCER,
        )
        event = RunEvent(
            eventTime=at.isoformat(),
            producer=PRODUCER,
            eventType=state,
            run=LineageRun(runId=run_id_of(seen.run), facets=_run_facets(moment, seen)),
            job=Job(
                namespace=os.environ.get(_NAMESPACE, "penstock"),
                name=f"{seen.workspace.name}.{seen.connection.name}",
                facets={"jobType": job_type},
            ),
            inputs=list(_inputs(seen)),
            outputs=list(_outputs(seen)),
        )
        try:
            self._client.emit(event)
        except requests.RequestException as error:
            raise ConnectionFailed(
                f"The lineage of run {seen.run.id} could not be sent: {error}.",
                remedy="Look at OPENLINEAGE_URL and at what listens there.",
            ) from error

    def close(self) -> None:
        """Sends what is still to be sent."""
        self._client.close()


def run_id_of(run: Run) -> str:
    """Returns the run's id as OpenLineage wants it: the same on every server."""
    return str(uuid.uuid5(_RUNS, f"{run.connection_id}/{run.id}/{run.created_at.isoformat()}"))


def dataset(end: End, name: str) -> tuple[str, str]:
    """Returns the namespace and the name of a stream or table of a source or destination."""
    config = end.connector.config
    match end.system:
        case "postgres":
            return _host(config, "postgres", 5432), _below(config, "database", "schema", name=name)
        case "mysql":
            return _host(config, "mysql", 3306), _below(config, "database", name=name)
        case "snowflake":
            namespace = f"snowflake://{config.get('account', '')}"
            return namespace, _below(config, "database", "schema", name=name)
        case "bigquery":
            return "bigquery", _below(config, "project_id", "dataset_id", name=name)
        case "duckdb" | "sqlite" | "file" | "files":
            return _file(str(config.get("path") or config.get("url") or ""), name)
        case _:
            # No rule for it: its own name tells it from others of its kind.
            return f"{end.system}://{end.connector.name}", name


def _file(place: str, name: str) -> tuple[str, str]:
    scheme, mark, rest = place.partition("://")
    if not mark:
        return "file", f"{place}/{name}"
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", f"{key}/{name}".lstrip("/")


def _host(config: Mapping[str, Any], scheme: str, port: int) -> str:
    return f"{scheme}://{config.get('host', '')}:{config.get('port') or port}"


def _below(config: Mapping[str, Any], *levels: str, name: str) -> str:
    """Returns a table's name with those of its database and schema before it.

    A name that brings its schema with it gets no other.
    """
    above = levels[:-1] if "." in name and len(levels) > 1 else levels
    return ".".join([*(str(config[each]) for each in above if config.get(each)), name])


def _state(states: type[RunState], moment: Moment, seen: Seen) -> RunState:
    if moment is Moment.BEGAN:
        return states.START if seen.attempt.number == 1 else states.RUNNING
    return states[_ENDS[seen.run.status]] if seen.is_last else states.RUNNING


def _run_facets(moment: Moment, seen: Seen) -> dict[str, Any]:
    from openlineage.client.generated.error_message_run import (  # noqa: PLC0415
        ErrorMessageRunFacet,
    )
    from openlineage.client.generated.processing_engine_run import (  # noqa: PLC0415
        ProcessingEngineRunFacet,
    )

    facets: dict[str, Any] = {
        "processing_engine": ProcessingEngineRunFacet(
            version=__version__, name="penstock", producer=PRODUCER
        )
    }
    failure: Failure | None = seen.attempt.failure
    if moment is Moment.ENDED and failure is not None:
        facets["errorMessage"] = ErrorMessageRunFacet(
            message=f"{failure.message} {failure.remedy}".strip(),
            programmingLanguage="python",
            producer=PRODUCER,
        )
    return facets


def _inputs(seen: Seen) -> Iterator[InputDataset]:
    from openlineage.client.event_v2 import InputDataset  # noqa: PLC0415

    for name in _stream_names(seen):
        namespace, full = dataset(seen.source, name)
        yield InputDataset(namespace=namespace, name=full)


def _outputs(seen: Seen) -> Iterator[OutputDataset]:
    from openlineage.client.event_v2 import OutputDataset  # noqa: PLC0415
    from openlineage.client.generated.output_statistics_output_dataset import (  # noqa: PLC0415
        OutputStatisticsOutputDatasetFacet,
    )

    for stream in seen.proof.streams if seen.proof else ():
        namespace, name = dataset(seen.destination, stream.table)
        yield OutputDataset(
            namespace=namespace,
            name=name,
            facets={"schema": _schema(stream)},
            outputFacets={
                "outputStatistics": OutputStatisticsOutputDatasetFacet(
                    rowCount=stream.rows_committed, producer=PRODUCER
                )
            },
        )


def _schema(stream: StreamProof) -> Any:
    from openlineage.client.generated.schema_dataset import (  # noqa: PLC0415
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )

    columns = [SchemaDatasetFacetFields(name=name, type=of) for name, of in stream.columns.items()]
    return SchemaDatasetFacet(fields=columns, producer=PRODUCER)


def _stream_names(seen: Seen) -> list[str]:
    """Returns what is read: as the receipt tells, or as was chosen while there is none."""
    if seen.proof is not None:
        return [stream.name for stream in seen.proof.streams]
    return [
        f"{each.namespace}.{each.name}" if each.namespace else each.name
        for each in seen.connection.streams or ()
    ]
