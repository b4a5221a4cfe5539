"""YAML as people mean it: 1.2's core rules, and no key twice; read and written."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml


class PlainLoader(yaml.SafeLoader):
    """YAML 1.2's core rules, and no key twice (yaml's own are those of version 1.1)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 (yaml's signature)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'"{key.value}" is there twice', key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


PlainLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:bool", r"(?:true|True|TRUE|false|False|FALSE)", "tTfF"),
    ("tag:yaml.org,2002:null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?",
        "-+0123456789",
    ),
):
    PlainLoader.add_implicit_resolver(_tag, re.compile(f"^{_pattern}$"), list(_first))


class PlainDumper(yaml.SafeDumper):
    """Quotes every text that readers of YAML 1.1 or 1.2 would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Writes equal parts out in full: people edit one and mean that one."""
        del data
        return True


PlainDumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, ()), *more]
    for first, more in (
        (first, PlainLoader.yaml_implicit_resolvers.get(first, ()))
        for first in {
            *yaml.SafeDumper.yaml_implicit_resolvers,
            *PlainLoader.yaml_implicit_resolvers,
        }
    )
}


def write_yaml(document: Any) -> str:
    """Returns a document as YAML, in the order of its keys."""
    text: str = yaml.dump(
        document, Dumper=PlainDumper, sort_keys=False, allow_unicode=True, width=100
    )
    return text
