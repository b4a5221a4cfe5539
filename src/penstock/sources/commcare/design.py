"""What applications say of their forms and case types, before a single form is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.data.names import slug
from penstock.data.types import Kind, widened

Path = tuple[str, ...]
"""Where a form's JSON has a value: ("household", "phone") for /data/household/phone."""

_KINDS: Final[Mapping[str, Kind]] = {
    "int": Kind.INTEGER,
    "long": Kind.BIG_INTEGER,
    "double": Kind.NUMBER,
    "date": Kind.DATE,
    "datetime": Kind.TIMESTAMP_TZ,
}
"""Question types whose answers are not text (commcare-hq `corehq/apps/app_manager`, questions)."""
_NO_ANSWER: Final = frozenset({"group", "fieldlist", "trigger", "label"})
_TAIL_LENGTH: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FormDesign:
    """One form of one or more applications: its questions, and the groups that repeat."""

    xmlns: str
    title: str
    questions: Mapping[Path, Kind]
    repeats: frozenset[Path]

    @property
    def slug(self) -> str:
        """A name that stays when another form of the same title is added."""
        tail = slug(re.split(r"[/:]", self.xmlns.rstrip("/"))[-1])[:_TAIL_LENGTH]
        return f"{slug(self.title)}_{tail}".strip("_")

    def outside(self) -> dict[Path, Kind]:
        """Returns the questions outside of groups that repeat."""
        return {path: kind for path, kind in self.questions.items() if not self.home_of(path)}

    def inside(self, repeat: Path) -> dict[Path, Kind]:
        """Returns the questions of one group that repeats, without those of groups within it."""
        return {path: kind for path, kind in self.questions.items() if self.home_of(path) == repeat}

    def home_of(self, path: Path) -> Path | None:
        """Returns the innermost group that repeats and holds a question, or None."""
        for length in range(len(path) - 1, 0, -1):
            if path[:length] in self.repeats:
                return path[:length]
        return None


@dataclass(slots=True)
class _Gathered:
    titles: list[str] = field(default_factory=list)
    questions: dict[Path, Kind] = field(default_factory=dict)
    repeats: set[Path] = field(default_factory=set)


def form_designs(applications: Iterable[Mapping[str, Any]]) -> list[FormDesign]:
    """Returns every form once, with the questions that any application's version of it has.

    Several applications, or modules of one, can share a form: it is known by its XML namespace.
    """
    gathered: dict[str, _Gathered] = {}
    for module in _modules(applications):
        for form in module.get("forms") or ():
            xmlns = form.get("xmlns")
            if not isinstance(xmlns, str) or not xmlns:
                continue  # A form that was never saved has none, and so no submission.
            found = gathered.setdefault(xmlns, _Gathered())
            found.titles.append(_title(form.get("name")))
            for question in form.get("questions") or ():
                _take(question, found)
    return [
        FormDesign(
            xmlns=xmlns,
            title=found.titles[0],
            questions={p: kind for p, kind in found.questions.items() if p not in found.repeats},
            repeats=frozenset(found.repeats),
        )
        for xmlns, found in sorted(gathered.items())
    ]


def case_types(applications: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Returns the case types with the properties that any module gives them, both sorted."""
    found: dict[str, set[str]] = {}
    for module in _modules(applications):
        kind = module.get("case_type")
        if isinstance(kind, str) and kind:
            names = module.get("case_properties") or ()
            found.setdefault(kind, set()).update(str(name) for name in names)
    return {kind: tuple(sorted(found[kind])) for kind in sorted(found)}


def distinct(names: Iterable[tuple[str, str]]) -> list[str]:
    """Returns names that differ: of several equal ones, each later ends in a hash of its id."""
    taken: set[str] = set()
    result: list[str] = []
    for wanted, identity in names:
        name = wanted
        if name in taken:
            name = f"{wanted}_{hashlib.sha256(identity.encode()).hexdigest()[:_TAIL_LENGTH]}"
        taken.add(name)
        result.append(name)
    return result


def _modules(applications: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for application in applications:
        for module in application.get("modules") or ():
            # CommCare puts {"error": …} in the place of a module it cannot read.
            if isinstance(module, Mapping) and "error" not in module:
                yield module


def _title(name: Any) -> str:
    if isinstance(name, Mapping):
        told = [str(text) for text in (name.get("en"), *name.values()) if text]
        return told[0] if told else "form"
    return str(name) if name else "form"


def _take(question: Mapping[str, Any], found: _Gathered) -> None:
    path = _path(question.get("value"))
    repeat = _path(question.get("repeat"))
    if repeat:
        found.repeats.add(repeat)
    if not path:
        return
    kind = str(question.get("type") or "").lower()
    if kind == "repeat":
        found.repeats.add(path)
    elif kind not in _NO_ANSWER:
        column = _KINDS.get(kind, Kind.STRING)
        known = found.questions.get(path)
        found.questions[path] = column if known is None else widened(known, column)


def _path(value: Any) -> Path:
    """Returns the names below the form's root: ("a", "b") for /data/a/b."""
    return tuple(value.strip("/").split("/")[1:]) if isinstance(value, str) else ()
