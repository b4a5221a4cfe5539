from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from penstock.data.items import Batch, Checkpoint, StatusChange
from penstock.engine.runners.manifest import (
    ManifestRequest,
    load_manifest,
    manifest_runner,
    manifest_spec,
)
from penstock.engine.runners.manifest_trial import ManifestTrial, TrialLimits
from penstock.engine.runners.program import RunOptions, to_log
from penstock.engine.runners.venv import VenvStore
from penstock.errors import ConfigError, ConnectorFailed, UnknownName
from penstock.protocol.catalog import ConfiguredCatalog, ConfiguredStream, SyncMode
from penstock.protocol.messages import StreamStatusKind
from tests.integration.engine.runners.programs import Scripted
from tests.integration.engine.web import serving

MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [visits]}
definitions:
  key: {type: string, title: Key, airbyte_secret: true}
streams:
  - type: DeclarativeStream
    name: visits
    primary_key: [id]
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url_base: "{{ config['base'] }}"
        path: /visits
        http_method: GET
        authenticator: {type: BearerAuthenticator, api_token: "{{ config['key'] }}"}
      record_selector:
        type: RecordSelector
        extractor: {type: DpathExtractor, field_path: [items]}
TRANSFORM
    schema_loader:
      type: InlineSchemaLoader
      schema:
        type: object
        properties: {id: {type: integer}, name: {type: ["null", string]}}
spec:
  type: Spec
  documentation_url: https://example.org/docs
  connection_specification:
    type: object
    required: [base, key]
    properties:
      base: {type: string}
      key: {$ref: "#/definitions/key"}
      since: {type: string, examples: ["2024-01-01"]}
"""
PLAIN = MANIFEST.replace("TRANSFORM\n", "")
CUSTOM = MANIFEST.replace(
    "TRANSFORM",
    "    transformations:\n"
    "      - type: CustomTransformation\n"
    "        class_name: source_declarative_manifest.components.Shout",
)
COMPONENTS = """
from dataclasses import dataclass
from airbyte_cdk.sources.declarative.transformations import RecordTransformation

@dataclass
class Shout(RecordTransformation):
    def transform(self, record, config=None, stream_state=None, stream_slice=None):
        record["name"] = record["name"].upper()
"""
VISITS = json.dumps({"items": [{"id": 1, "name": "ann"}, {"id": 2, "name": "bob"}]}).encode()


def request_of(manifest: str, *, allow: bool | None = False) -> ManifestRequest:
    return ManifestRequest(name="source-visits", manifest=manifest, allow_custom_code=allow)


def test_a_manifest_is_read_from_text_a_path_and_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text(PLAIN)
    for given in (PLAIN, str(path), str(tmp_path)):
        found = load_manifest(request_of(given), tmp_path / "cache", to_log)
        assert found.document["version"] == "6.0.0"
        assert found.path.read_text() == PLAIN


def test_a_manifest_is_fetched_from_a_url_and_works_offline_afterwards(tmp_path: Path) -> None:
    with serving({"/m/manifest.yaml": PLAIN.encode()}) as web:
        request = request_of(f"{web.address}/m/manifest.yaml")
        load_manifest(request, tmp_path, to_log)
    assert load_manifest(request, tmp_path, to_log).path.read_text() == PLAIN


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("a: [\n", "no YAML"),
        ("- a\n- b\n", "no mapping"),
        ("version: 1\ntype: DeclarativeSource\n", "neither streams nor dynamic_streams"),
    ],
)
def test_what_is_no_manifest_is_told(manifest: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        load_manifest(request_of(manifest), tmp_path, to_log)


def test_a_page_that_is_no_manifest_is_not_kept(tmp_path: Path) -> None:
    with serving({"/manifest.yaml": b"<html>log in</html>"}) as web:
        request = request_of(f"{web.address}/manifest.yaml")
        with pytest.raises(ConfigError, match="no mapping"):
            load_manifest(request, tmp_path, to_log)
        web.pages["/manifest.yaml"] = PLAIN.encode()
        assert load_manifest(request, tmp_path, to_log).document["version"] == "6.0.0"


def test_a_missing_manifest_is_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no manifest .*gone"):
        load_manifest(request_of(str(tmp_path / "gone.yaml")), tmp_path, to_log)


def test_custom_code_does_not_run_unless_it_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text(CUSTOM)
    (tmp_path / "components.py").write_text(COMPONENTS)
    with pytest.raises(ConfigError, match="runs with all your rights") as caught:
        load_manifest(request_of(str(tmp_path)), tmp_path, to_log)
    assert "AIRBYTE_ENABLE_UNSAFE_CODE=true" in caught.value.remedy


def test_the_environment_can_allow_custom_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "manifest.yaml").write_text(CUSTOM)
    (tmp_path / "components.py").write_text(COMPONENTS)
    monkeypatch.setenv("AIRBYTE_ENABLE_UNSAFE_CODE", "true")
    found = load_manifest(request_of(str(tmp_path), allow=None), tmp_path, to_log)
    assert found.components == tmp_path / "components.py"


def test_allowed_custom_code_that_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text(CUSTOM)
    with pytest.raises(ConfigError, match="none beside it"):
        load_manifest(request_of(str(tmp_path), allow=True), tmp_path, to_log)


def test_custom_code_of_a_url_comes_from_the_archive_beside_it(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("components.py", COMPONENTS)
    pages = {"/x/manifest.yaml": CUSTOM.encode(), "/x/components.zip": archive.getvalue()}
    with serving(pages) as web:
        request = request_of(f"{web.address}/x/manifest.yaml", allow=True)
        found = load_manifest(request, tmp_path, to_log)
    assert found.components is not None
    assert found.components.read_text() == COMPONENTS


def test_the_spec_of_a_manifest_is_its_own_with_references_resolved(tmp_path: Path) -> None:
    spec = manifest_spec(load_manifest(request_of(PLAIN), tmp_path, to_log).document)
    properties = spec.connection_specification["properties"]
    assert properties["key"] == {"type": "string", "title": "Key", "airbyte_secret": True}
    assert spec.documentation_url == "https://example.org/docs"


def test_dates_that_yaml_reads_as_dates_are_texts_in_the_spec(tmp_path: Path) -> None:
    unquoted = PLAIN.replace('"2024-01-01"', "2024-01-01")
    spec = manifest_spec(load_manifest(request_of(unquoted), tmp_path, to_log).document)
    properties = spec.connection_specification["properties"]
    assert properties["since"]["examples"] == ["2024-01-01"]


def test_a_manifest_without_a_spec_takes_any_configuration() -> None:
    assert manifest_spec({"streams": [1]}).connection_specification["additionalProperties"] is True


@pytest.mark.parametrize("target", ["#/definitions/none", "#/spec"])
def test_a_reference_that_leads_nowhere_is_told(target: str) -> None:
    document = {"spec": {"connection_specification": {"x": {"$ref": target}}}}
    with pytest.raises(ConfigError, match=target):
        manifest_spec(document)


@pytest.mark.network
@pytest.mark.slow
def test_a_real_manifest_is_checked_discovered_and_read(tmp_path: Path, scripted: Scripted) -> None:
    with serving({"/visits": VISITS}) as web:
        runner = manifest_runner(request_of(PLAIN), store=VenvStore(), folder=tmp_path)
        config = {"base": web.address, "key": "s3cr3t-key"}
        assert runner.spec().connection_specification["required"] == ["base", "key"]
        runner.check(config)
        assert web.headers[-1]["Authorization"] == "Bearer s3cr3t-key"
        (stream,) = runner.discover(config).streams
        catalog = ConfiguredCatalog(
            streams=(ConfiguredStream(stream=stream, sync_mode=SyncMode.FULL_REFRESH),)
        )
        with runner.read(config, catalog, ()) as reading:
            items = list(reading)
    rows = [row for item in items if isinstance(item, Batch) for row in item.rows.to_pylist()]
    assert [(row["id"], row["name"]) for row in rows] == [(1, "ann"), (2, "bob")]
    assert any(isinstance(item, Checkpoint) for item in items)
    assert [i.status for i in items if isinstance(i, StatusChange)][-1] is StreamStatusKind.COMPLETE


@pytest.mark.network
@pytest.mark.slow
def test_custom_code_runs_when_it_is_allowed(tmp_path: Path, scripted: Scripted) -> None:
    (tmp_path / "manifest.yaml").write_text(CUSTOM)
    (tmp_path / "components.py").write_text(COMPONENTS)
    with serving({"/visits": VISITS}) as web:
        runner = manifest_runner(request_of(str(tmp_path), allow=True), folder=tmp_path)
        config = {"base": web.address, "key": "s3cr3t-key"}
        (stream,) = runner.discover(config).streams
        catalog = ConfiguredCatalog(streams=(ConfiguredStream(stream=stream),))
        with runner.read(config, catalog, ()) as reading:
            items = list(reading)
    rows = [row for item in items if isinstance(item, Batch) for row in item.rows.to_pylist()]
    assert [row["name"] for row in rows] == ["ANN", "BOB"]


@pytest.mark.network
@pytest.mark.slow
def test_a_manifest_whose_server_refuses_fails_with_its_words(
    tmp_path: Path, scripted: Scripted
) -> None:
    with serving({"/visits": 401}) as web:
        runner = manifest_runner(request_of(PLAIN), folder=tmp_path)
        with pytest.raises((ConfigError, ConnectorFailed), match=r"401|nauthorized") as caught:
            runner.check({"base": web.address, "key": "s3cr3t-key"})
    assert "s3cr3t-key" not in str(caught.value.as_document())


def trial_of(manifest: str, folder: Path) -> ManifestTrial:
    return ManifestTrial(request_of(manifest), VenvStore(), RunOptions(), folder=folder)


@pytest.mark.network
@pytest.mark.slow
def test_a_trial_tells_each_request_its_response_and_its_records(tmp_path: Path) -> None:
    with serving({"/visits": VISITS}) as web:
        trial = trial_of(PLAIN, tmp_path)
        assert trial.streams() == ("visits",)
        config = {"base": web.address, "key": "s3cr3t-key"}
        found = trial.read(config, "visits", TrialLimits())
        assert web.headers[-1]["Authorization"] == "Bearer s3cr3t-key"
        (page,) = found.slices[0].pages
        assert page.request is not None
        assert (page.request.method, page.request.url) == ("GET", f"{web.address}/visits")
        assert page.response is not None
        assert (page.response.status, page.response.body) == (200, VISITS.decode())
        assert [json.loads(each) for each in page.records] == json.loads(VISITS)["items"]
        assert "s3cr3t-key" not in repr(found)
        assert not found.is_cut

        found = trial.read(config, "visits", TrialLimits(records=1))
        assert found.is_cut


@pytest.mark.network
@pytest.mark.slow
def test_a_trial_that_is_refused_shows_the_answer_and_says_so(tmp_path: Path) -> None:
    with serving({"/visits": 404}) as web:
        found = trial_of(PLAIN, tmp_path).read(
            {"base": web.address, "key": "k3y-that-is-wrong"}, "visits", TrialLimits()
        )
    response = found.slices[0].pages[0].response
    assert response is not None
    assert response.status == 404
    assert any(line.level == "ERROR" for line in found.lines)


@pytest.mark.network
@pytest.mark.slow
def test_a_manifest_that_cannot_be_read_is_told_in_the_words_of_what_reads_it(
    tmp_path: Path,
) -> None:
    broken = PLAIN.replace("type: SimpleRetriever", "type: NoRetriever")
    with pytest.raises(ConfigError, match="cannot be read so") as caught:
        trial_of(broken, tmp_path).read(
            {"base": "http://127.0.0.1:1", "key": "s3cr3t-key"}, "visits", TrialLimits()
        )
    assert "s3cr3t-key" not in str(caught.value)


def test_a_trial_runs_no_python_of_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text(CUSTOM)
    (tmp_path / "components.py").write_text(COMPONENTS)
    request = request_of(str(tmp_path), allow=True)
    trial = ManifestTrial(request, VenvStore(root=tmp_path), RunOptions(), folder=tmp_path)
    with pytest.raises(ConfigError, match="which a trial does not"):
        trial.read({"base": "http://127.0.0.1:1", "key": "k"}, "visits", TrialLimits())
