"""Which subject types, programmes, visit types and task types an organisation has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from penstock.sdk.rest import Ask, RestClient
from penstock.sdk.rest.body import Body

MODULES_PATH: Final = "web/operationalModules"
"""What the web app itself asks for when it starts; needs no privilege."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationTypes:
    """The names under which the external API knows the types, sorted."""

    subjects: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    program_encounters: tuple[str, ...] = ()
    encounters: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


def organisation_types(client: RestClient) -> OrganisationTypes:
    """Asks for the types. A visit type that belongs to a programme is one of its encounters."""
    modules: Mapping[str, Any] = client.ask(
        Ask(path=MODULES_PATH), lambda reply: Body(reply.content).at(())
    )
    mappings = [one for one in modules.get("formMappings") or () if not one.get("voided")]
    in_programs = {one.get("encounterTypeUUID") for one in mappings if one.get("programUUID")}
    outside = {one.get("encounterTypeUUID") for one in mappings if not one.get("programUUID")}
    visits = [one for one in modules.get("encounterTypes") or () if isinstance(one, dict)]
    return OrganisationTypes(
        subjects=_names(modules.get("subjectTypes") or ()),
        programs=_names(modules.get("programs") or ()),
        program_encounters=_names(one for one in visits if one.get("uuid") in in_programs),
        encounters=_names(one for one in visits if one.get("uuid") in outside),
        tasks=_names(modules.get("taskTypes") or ()),
    )


def _names(found: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted({str(one["name"]) for one in found if one.get("name")}))
