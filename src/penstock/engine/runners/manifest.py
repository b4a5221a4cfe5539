"""A low-code manifest run by Airbyte's own `source-declarative-manifest`, in a venv of its own."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.data.items import LogLine
from penstock.engine.fetch import fetch, write_whole
from penstock.engine.runners.late import LateRunner
from penstock.engine.runners.program import Program, ProgramRunner, RunOptions
from penstock.engine.runners.uv_program import OnLog
from penstock.engine.runners.venv import PackageRequest, VenvStore, program_of
from penstock.errors import ConfigError, ConnectionFailed, UnknownName
from penstock.protocol import codec
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.cache_root import cache_root

PROGRAM: Final = "source-declarative-manifest"
ALLOW_CUSTOM_CODE: Final = "AIRBYTE_ENABLE_UNSAFE_CODE"
"""airbyte-cdk's own switch: only "true" lets it run a manifest's Python."""
MAX_AGE_SECONDS: Final = 3600.0
_MANIFEST_URL: Final = "https://connectors.airbyte.com/files/metadata/airbyte"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRequest:
    """Which manifest, and what it may do."""

    name: str
    manifest: str
    """Path, URL or YAML text."""
    python: str | None = None
    cdk_version: str | None = None
    """Version of airbyte-cdk; None is the newest when it is first installed."""
    allow_custom_code: bool | None = None
    """True runs Python that comes with the manifest; None asks AIRBYTE_ENABLE_UNSAFE_CODE."""

    @property
    def allows_custom_code(self) -> bool:
        """The answer, from the request or from the environment."""
        if self.allow_custom_code is None:
            return os.environ.get(ALLOW_CUSTOM_CODE, "").lower() == "true"
        return self.allow_custom_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest on disk, read and found to be one."""

    path: Path
    document: Mapping[str, Any]
    components: Path | None
    """`components.py` beside it; None when there is none or it may not run."""


def manifest_url(name: str, version: str | None = None) -> str:
    """Returns where Airbyte keeps the manifest of a connector; None is the newest version."""
    return f"{_MANIFEST_URL}/{name}/{version or 'latest'}/manifest.yaml"


def manifest_runner(
    request: ManifestRequest,
    *,
    store: VenvStore | None = None,
    options: RunOptions | None = None,
    folder: Path | None = None,
) -> LateRunner:
    """Returns a runner of the manifest; it is fetched, and the CDK installed, when first asked.

    Fetched manifests are kept in `folder`, by default in the user's cache folder.
    """
    store = store or VenvStore()
    place = folder or cache_root() / "manifests"
    shown = request.manifest if _is_reference(request.manifest) else "a manifest given as text"

    package = PackageRequest(
        name=PROGRAM, package="airbyte-cdk", version=request.cdk_version, python=request.python
    )

    def prepare() -> ProgramRunner:
        manifest = load_manifest(request, place, store.on_log)
        venv = store.ensure(package)
        program = program_of(venv)
        return ProgramRunner(
            request.name,
            Program(
                argv=program.argv,
                env={**program.env, ALLOW_CUSTOM_CODE: "true" if manifest.components else None},
                data_arguments=_arguments(manifest),
            ),
            f"{shown} with {venv.description}",
            options=options,
            spec=manifest_spec(manifest.document),
        )

    return LateRunner(request.name, shown, prepare, needs_install=store.find(package) is None)


def _arguments(manifest: Manifest) -> tuple[str, ...]:
    arguments = ("--manifest-path", str(manifest.path))
    if manifest.components is None:
        return arguments
    return (*arguments, "--components-path", str(manifest.components))


def _is_reference(text: str) -> bool:
    return "\n" not in text and not text.lstrip().startswith("{")


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def load_manifest(request: ManifestRequest, folder: Path, on_log: OnLog) -> Manifest:
    """Returns the manifest, fetched or written to `folder` if it is no local file.

    Raises ConfigError when it is no manifest, or needs Python code that is not allowed to run;
    UnknownName when there is none at its address.
    """
    path = _path_of(request, folder, on_log)
    try:
        document = _parse(path.read_bytes(), request.manifest)
    except ConfigError:
        if _is_url(request.manifest):
            path.unlink()  # what was fetched is of no use: the next time asks again
        raise
    components = None
    if _custom_classes(document):
        components = _components(request, path, folder)
    return Manifest(path=path, document=document, components=components)


def _path_of(request: ManifestRequest, folder: Path, on_log: OnLog) -> Path:
    text = request.manifest
    if not _is_reference(text):
        content = text.encode()
        path = folder / f"{hashlib.sha256(content).hexdigest()[:20]}.yaml"
        if not path.exists():
            write_whole(path, content)
        return path
    if _is_url(text):
        found = fetch(text, folder, max_age_seconds=MAX_AGE_SECONDS)
        if found.is_stale:
            message = f"{text} cannot be fetched now; an older copy is used."
            on_log(LogLine(level="WARN", message=message))
        return found.path
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        path = path / "manifest.yaml"
    if not path.is_file():
        raise UnknownName(
            f"There is no manifest {text}.", remedy="Give the path of a manifest.yaml, or its URL."
        )
    return path


def _parse(content: bytes, shown: str) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 (30 ms, and only manifests need it)

    what = f"The manifest {shown}" if _is_reference(shown) else "The manifest"
    remedy = "Correct it; Airbyte's Connector Builder writes manifests that are right."
    try:
        document = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ConfigError(f"{what} is no YAML: {error}", remedy=remedy) from error
    if not isinstance(document, dict):
        raise ConfigError(f"{what} is no mapping.", remedy=remedy)
    if not document.get("streams") and not document.get("dynamic_streams"):
        raise ConfigError(f"{what} has neither streams nor dynamic_streams.", remedy=remedy)
    return document


def _custom_classes(node: Any) -> set[str]:
    """Returns the Python classes a manifest names: airbyte-cdk runs them from components.py."""
    if isinstance(node, Mapping):
        found = set().union(*(_custom_classes(value) for value in node.values()))
        if isinstance(node.get("class_name"), str):
            found.add(node["class_name"])
        return found
    if isinstance(node, list):
        return set().union(*(_custom_classes(value) for value in node))
    return set()


def _components(request: ManifestRequest, path: Path, folder: Path) -> Path:
    if not request.allows_custom_code:
        raise ConfigError(
            f"The manifest of {request.name} needs Python code that comes with it, which runs "
            "with all your rights.",
            remedy=f"If you trust its author, set {ALLOW_CUSTOM_CODE}=true in the environment.",
        )
    if not _is_url(request.manifest):
        beside = path.with_name("components.py")
        if beside.is_file():
            return beside
        raise ConfigError(
            f"The manifest of {request.name} needs a components.py, and there is none beside it.",
            remedy=f"Put it at {beside}.",
        )
    return _fetched_components(request.manifest, folder)


def _fetched_components(url: str, folder: Path) -> Path:
    """Returns the components.py of a manifest on the web: from the components.zip beside it."""
    archive_url = f"{url.rpartition('/')[0]}/components.zip"
    archive = fetch(archive_url, folder, max_age_seconds=MAX_AGE_SECONDS).path
    try:
        with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as content:
            code = content.read("components.py")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ConnectionFailed(
            f"{archive_url} holds no components.py: {error}.", remedy="Report it to its author."
        ) from error
    path = folder / hashlib.sha256(code).hexdigest()[:20] / "components.py"
    if not path.exists():
        write_whole(path, code)
    return path


def stream_names(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the names of the streams a manifest holds; dynamic ones have none yet."""
    return tuple(_stream_names(_resolved(document.get("streams") or [], document, ())))


def _stream_names(streams: Any) -> Iterator[str]:
    for each in streams if isinstance(streams, list) else ():
        if not isinstance(each, Mapping):
            continue
        if each.get("type") == "ConditionalStreams":
            yield from _stream_names(each.get("streams"))
            continue
        # A stream without a name of its own has that of its parameters.
        name = each.get("name") or (each.get("$parameters") or {}).get("name")
        if isinstance(name, str):
            yield name


def manifest_spec(document: Mapping[str, Any]) -> ConnectorSpec:
    """Returns the specification inside a manifest, its references resolved.

    The program itself answers `spec` with that of manifests in general.
    """
    declared = _resolved(document.get("spec") or {}, document, ())
    fields = {key: value for key, value in declared.items() if key != "type"}
    open_object = {"type": "object", "additionalProperties": True, "properties": {}}
    fields["connectionSpecification"] = fields.pop("connection_specification", open_object)
    fields["documentationUrl"] = fields.pop("documentation_url", None)
    try:
        return msgspec.json.decode(codec.encode(fields), type=ConnectorSpec, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"The spec of the manifest is not valid: {error}.", remedy="Correct the manifest."
        ) from error


def _resolved(node: Any, document: Mapping[str, Any], seen: tuple[str, ...]) -> Any:
    """Returns a node with `$ref` objects and "#/…" strings replaced; local keys win."""
    if isinstance(node, Mapping):
        inner = {key: _resolved(v, document, seen) for key, v in node.items() if key != "$ref"}
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return inner
        target = _target(reference, document, seen)
        return {**target, **inner} if isinstance(target, Mapping) else target
    if isinstance(node, list):
        return [_resolved(value, document, seen) for value in node]
    if isinstance(node, str) and node.startswith("#/"):
        return _target(node, document, seen)
    return node


def _target(reference: str, document: Mapping[str, Any], seen: tuple[str, ...]) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(node, Mapping) or part not in node or reference in seen:
            raise ConfigError(
                f"The manifest refers to {reference}, which is not there or refers to itself.",
                remedy="Correct the reference in the manifest.",
            )
        node = node[part]
    return _resolved(node, document, (*seen, reference))
