"""A configuration against a connector's own JSON Schema: each problem and its path, no values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config.mask import branches_of
from penstock.sdk.config.parse import Problem, config_error, did_you_mean, kind_of, nearest


def check_schema(config: Mapping[str, Any], spec: ConnectorSpec) -> None:
    """Raises one ConfigError with every place where `config` breaks the connector's schema.

    The values themselves are never in the error: any of them may be a secret. A pattern that
    Python cannot read is left to the connector, which checks it again.
    """
    problems = list(_problems(config, spec.connection_specification))
    if problems:
        raise config_error(problems)


def _problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Problem]:
    validator_class = jsonschema.validators.validator_for(schema, jsonschema.Draft7Validator)
    checked: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]  # stubs lack it
        validator_class, {"pattern": _pattern, "required": _required}
    )
    errors = checked(schema).iter_errors(config)
    seen: set[Problem] = set()
    for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path]):
        for problem in _told(error):
            if problem not in seen:
                seen.add(problem)
                yield problem


def _pattern(
    validator: Validator, pattern: str, instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "string"):
        return
    try:
        compiled = re.compile(pattern)
    except re.error:
        return
    if not compiled.search(instance):
        yield ValidationError("does not match")


def _required(
    validator: Validator, required: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object") and any(_missing(required, instance, schema)):
        yield ValidationError("is required")


def _missing(
    required: Any, instance: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[str]:
    """Yields the required settings that are given neither by name nor by an alias."""
    known = schema.get("properties") or {}
    for name in required:
        about = known.get(name)
        aliases = about.get("aliases") or () if isinstance(about, Mapping) else ()
        if not any(each in instance for each in (name, *aliases)):
            yield name


def _told(error: ValidationError) -> Iterator[Problem]:
    path = _path(error)
    wanted: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "oneOf" | "anyOf" if error.context:
            yield from _alternatives(error)
        case "required":
            for name in _missing(wanted, instance, _schema(error)):
                yield Problem(_below(path, name), "is required")
        case "additionalProperties" if wanted is False:
            known = [str(name) for name in _schema(error).get("properties", {})]
            for name in instance:
                if name not in known:
                    hint = nearest(str(name), known)
                    yield Problem(_below(path, name), f"is not a setting{hint}")
        case _:
            yield Problem(path, _words(str(error.validator), wanted, _schema(error), instance))


def _alternatives(error: ValidationError) -> Iterator[Problem]:
    """Yields the problems of the branch that was meant: the one whose constants all agree."""
    branches: dict[int, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(int(inner.schema_path[0]), []).append(inner)
    meant = [
        found
        for found in branches.values()
        if not any(inner.validator == "const" for inner in found)
    ]
    if len(meant) == 1:
        for inner in meant[0]:
            yield from _told(inner)
        return
    marks = _marks(_schema(error))
    instance: Any = error.instance
    if marks and isinstance(instance, Mapping):
        for name, values in marks.items():
            near = did_you_mean(str(instance.get(name)), values)
            yield Problem(_below(_path(error), name), f"must be one of {', '.join(values)}{near}")
        return
    yield Problem(_path(error), "fits none of the forms it can have")


def _marks(schema: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns the constants that tell the branches apart, by property."""
    marks: dict[str, list[str]] = {}
    for branch in branches_of(schema):
        for name, inner in (branch.get("properties") or {}).items():
            if isinstance(inner, Mapping) and "const" in inner:
                marks.setdefault(name, []).append(str(inner["const"]))
    return marks


def _words(keyword: str, wanted: Any, schema: Mapping[str, Any], instance: Any) -> str:
    if keyword == "type":
        names = wanted if isinstance(wanted, list) else [wanted]
        return f"must be of type {' or '.join(names)}, not {kind_of(instance)}"
    if keyword == "enum":
        return f"must be one of {', '.join(map(str, wanted))}"
    if keyword == "pattern":
        described = schema.get("pattern_descriptor") or f"the pattern {wanted}"
        return f"must look like {described}"
    if keyword in _LIMITS:
        return _LIMITS[keyword].format(wanted)
    return f"breaks the rule {keyword} of the connector's specification"


_LIMITS: Final = {
    "const": "must be {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
}


def _schema(error: ValidationError) -> Mapping[str, Any]:
    schema: Any = error.schema
    return schema if isinstance(schema, Mapping) else {}


def _below(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _path(error: ValidationError) -> str:
    path = ""
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path
