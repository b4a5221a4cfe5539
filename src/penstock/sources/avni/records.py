"""Avni's records as rows: which columns each list has, and what is made of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.data.types import Kind
from penstock.sdk.rest.body import Path
from penstock.sdk.rest.stream import DELETED_AT

Row = dict[str, Any]
CURSOR: Final = "last_modified_at"
EXTRA: Final = "_extra"
"""Properties that no column takes: of a newer server."""
MODIFIED: Final[Path] = ("audit", "Last modified at")

_NEW_NAMES: Final = ("Registration", "Enrolment", "Encounter", "Exit", "Cancel", "Subject")
"""Whose coordinates stood under "… location" before February 2026 (avni-server 4478e36fb)."""
_COMMON: Final[Mapping[str, Kind]] = {
    "ID": Kind.STRING,
    "External ID": Kind.STRING,
    "Voided": Kind.BOOLEAN,
}
_AUDIT: Final[Mapping[str, Kind]] = {"audit": Kind.JSON, CURSOR: Kind.TIMESTAMP_TZ}
_OF_SUBJECT: Final[Mapping[str, Kind]] = {
    "Subject ID": Kind.STRING,
    "Subject external ID": Kind.STRING,
    "Subject type": Kind.STRING,
}
_ENCOUNTER: Final[Mapping[str, Kind]] = {
    **_COMMON,
    **_OF_SUBJECT,
    "Encounter type": Kind.STRING,
    "Encounter location": Kind.JSON,
    "Encounter date time": Kind.TIMESTAMP_TZ,
    "Earliest scheduled date": Kind.STRING,
    "Max scheduled date": Kind.STRING,
    "observations": Kind.JSON,
    "Cancel location": Kind.JSON,
    "Cancel date time": Kind.TIMESTAMP_TZ,
    "cancelObservations": Kind.JSON,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list of the API: where it is, what it holds, and what a user needs to see it."""

    name: str
    path: str
    columns: Mapping[str, Kind]
    key: tuple[str, ...] = ("ID",)
    identity: tuple[Path, ...] = (("ID",),)
    nested: Mapping[str, Path] = field(default_factory=dict)
    """Columns taken from within the record."""
    permission: str
    """What the user must be allowed to do, for all types at once."""
    privilege: str = ""
    """Its name in the web app, where it is given type by type."""
    is_core: bool = False
    """Whether an organisation without it has no use for this source."""
    type_parameter: str | None = None
    """The parameter that narrows it to one type."""
    type_column: str | None = None
    observations: tuple[str, ...] = ()
    """Properties with answers under the names of their concepts."""

    def row(self, record: Row) -> Row:
        """Returns a record as a row; what has no column is kept in `_extra`."""
        rest = dict(record)
        for word in _NEW_NAMES:
            if f"{word} Coordinates" in rest:
                rest[f"{word} location"] = rest.pop(f"{word} Coordinates")
        if "Cancel datetime" in rest:
            rest["Cancel date time"] = rest.pop("Cancel datetime")
        row: Row = {name: _within(record, path) for name, path in self.nested.items()}
        if DELETED_AT in rest:
            row[DELETED_AT] = rest.pop(DELETED_AT)
        for name in self.columns:
            if name not in row:
                row[name] = rest.pop(name, None)
        row[CURSOR] = _within(record, MODIFIED)
        row[EXTRA] = rest or None
        return row


def _within(record: Row, path: Path) -> Any:
    found: Any = record
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _see(privilege: str, what: str) -> str:
    return (
        f'see every {what}: privilege "{privilege}", in the web app under '
        "Admin > User Groups > Permissions"
    )


SUBJECTS: Final = Listing(
    name="subjects",
    path="api/subjects",
    columns={
        **_COMMON,
        "Subject type": Kind.STRING,
        "Registration date": Kind.DATE,
        "Registration location": Kind.JSON,
        "Subject location": Kind.JSON,
        "location": Kind.JSON,
        "Location ID": Kind.STRING,
        "relatives": Kind.JSON,
        "catchments": Kind.JSON,
        "observations": Kind.JSON,
        "encounters": Kind.JSON,
        "enrolments": Kind.JSON,
        "Groups": Kind.JSON,
        **_AUDIT,
    },
    permission=_see("View subject", "subject type"),
    privilege="View subject",
    is_core=True,
    type_parameter="subjectType",
    type_column="Subject type",
    observations=("observations",),
)
ENROLMENTS: Final = Listing(
    name="program_enrolments",
    path="api/programEnrolments",
    columns={
        **_COMMON,
        **_OF_SUBJECT,
        "Program": Kind.STRING,
        "Enrolment datetime": Kind.TIMESTAMP_TZ,
        "Enrolment location": Kind.JSON,
        "Exit datetime": Kind.TIMESTAMP_TZ,
        "Exit location": Kind.JSON,
        "observations": Kind.JSON,
        "exitObservations": Kind.JSON,
        "encounters": Kind.JSON,
        **_AUDIT,
    },
    permission=_see("View enrolment details", "programme"),
    privilege="View enrolment details",
    is_core=True,
    type_parameter="program",
    type_column="Program",
    observations=("observations", "exitObservations"),
)
PROGRAM_ENCOUNTERS: Final = Listing(
    name="program_encounters",
    path="api/programEncounters",
    columns={
        **_ENCOUNTER,
        "Enrolment ID": Kind.STRING,
        "Enrolment external ID": Kind.STRING,
        "Program": Kind.STRING,
        **_AUDIT,
    },
    permission=_see("View visit", "programme's visit type"),
    privilege="View visit",
    is_core=True,
    type_parameter="encounterType",
    type_column="Encounter type",
    observations=("observations", "cancelObservations"),
)
ENCOUNTERS: Final = Listing(
    name="encounters",
    path="api/encounters",
    columns={**_ENCOUNTER, **_AUDIT},
    permission=_see("View visit", "general visit type"),
    privilege="View visit",
    is_core=True,
    type_parameter="encounterType",
    type_column="Encounter type",
    observations=("observations", "cancelObservations"),
)
GROUP_SUBJECTS: Final = Listing(
    name="group_subjects",
    path="api/groupSubjects",
    columns={
        "Group subject ID": Kind.STRING,
        "Member subject ID": Kind.STRING,
        "Role": Kind.STRING,
        "Voided": Kind.BOOLEAN,
        "Membership start date": Kind.TIMESTAMP_TZ,
        "Membership end date": Kind.TIMESTAMP_TZ,
        "Group subject": Kind.JSON,
        "Member subject": Kind.JSON,
        **_AUDIT,
    },
    key=("Group subject ID", "Member subject ID", "Role"),
    identity=(("Group subject", "ID"), ("Member subject", "ID"), ("Role",)),
    nested={
        "Group subject ID": ("Group subject", "ID"),
        "Member subject ID": ("Member subject", "ID"),
    },
    permission=_see("View subject", "group's and member's subject type"),
)
LOCATIONS: Final = Listing(
    name="locations",
    path="api/locations",
    columns={
        **_COMMON,
        "Title": Kind.STRING,
        "Type": Kind.STRING,
        "Level": Kind.NUMBER,
        "GPS Coordinates": Kind.JSON,
        "customProperties": Kind.JSON,
        "Parent ID": Kind.STRING,
        "Parent": Kind.JSON,
        **_AUDIT,
    },
    nested={"Parent ID": ("Parent", "ID")},
    permission="read locations through the API",
)
APPROVALS: Final = Listing(
    name="approval_statuses",
    path="api/approvalStatuses",
    columns={
        "Entity ID": Kind.STRING,
        "Entity type": Kind.STRING,
        "Entity type ID": Kind.STRING,
        "Approval status": Kind.STRING,
        "Approval status comment": Kind.STRING,
        "Status date time": Kind.TIMESTAMP_TZ,
        **_AUDIT,
    },
    key=("Entity ID", "Status date time"),
    identity=(("Entity ID",), ("Status date time",)),
    permission=_see("View subject, View enrolment details, View visit", "record's type"),
)
TASKS: Final = Listing(
    name="tasks",
    path="api/tasks",
    columns={
        **_COMMON,
        "Subject ID": Kind.STRING,
        "Subject external ID": Kind.STRING,
        "Task type": Kind.STRING,
        "Task status": Kind.STRING,
        "Name": Kind.STRING,
        "Assigned to": Kind.STRING,
        "Scheduled on": Kind.TIMESTAMP_TZ,
        "Completed on": Kind.TIMESTAMP_TZ,
        "metadata": Kind.JSON,
        "observations": Kind.JSON,
    },
    permission="read tasks through the API",
)
CHANGING: Final = (
    SUBJECTS,
    ENROLMENTS,
    PROGRAM_ENCOUNTERS,
    ENCOUNTERS,
    GROUP_SUBJECTS,
    LOCATIONS,
    APPROVALS,
)
"""The lists that are read by what changed."""
