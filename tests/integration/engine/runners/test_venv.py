"""Small packages made here, installed for real by uv; only the marked tests need an index."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from penstock.data.items import Batch, LogLine
from penstock.engine.runners.venv import STAMP, PackageRequest, VenvStore, venv_runner
from penstock.errors import ConfigError, ConnectionFailed, ConnectorFailed, UnknownName
from penstock.protocol.catalog import ConfiguredCatalog, ConfiguredStream
from tests.integration.engine.runners.programs import wait_until

MAIN = """
import json, sys
def run():
    spec = {"connectionSpecification": {"python": sys.version_info[:2], "word": "WORD"}}
    print(json.dumps({"type": "SPEC", "spec": spec}))
"""


class Index:
    """A folder of wheels that uv takes for its only index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(
        self,
        version: str,
        *,
        package: str = "airbyte_source_tiny",
        script: str = "source-tiny",
        python: str = ">=3.10,<3.12",
        word: str = "w",
        needs: str = "",
    ) -> Path:
        """Writes a wheel by hand (PEP 427): metadata, one module, one console script."""
        module = package.removeprefix("airbyte_")
        info = f"{package}-{version}.dist-info"
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        files = {
            f"{module}/__init__.py": MAIN.replace("WORD", word),
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\n"
            f"Version: {version}\nRequires-Python: {python}\n{requires}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
            f"{info}/entry_points.txt": f"[console_scripts]\n{script} = {module}:run\n",
        }
        path = self.folder / f"{package}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for file, text in files.items():
                wheel.writestr(file, text)
            record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
            wheel.writestr(f"{info}/RECORD", record)
        return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    index = Index(tmp_path / "wheels")
    index.add("80.0.0", package="setuptools")
    monkeypatch.setenv("UV_FIND_LINKS", str(index.folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    return index


@pytest.fixture
def store(tmp_path: Path) -> VenvStore:
    return VenvStore(root=tmp_path / "venvs", near_names=lambda: ["source-near"])


def tiny(**how: str) -> PackageRequest:
    return PackageRequest(name="source-tiny", **how)


def spec_of(request: PackageRequest, store: VenvStore) -> dict:
    return venv_runner(request, store=store).spec().connection_specification


def test_a_package_is_installed_and_run_on_a_python_it_allows(
    index: Index, store: VenvStore
) -> None:
    index.add("1.2.0", python=">=3.11,<3.12")
    assert spec_of(tiny(), store) == {"python": [3, 11], "word": "w"}
    (folder,) = store.root.glob("source-tiny-1.2.0-*")
    assert json.loads((folder / STAMP).read_text())["python_version"] == "3.11"


def test_an_installed_connector_is_asked_for_its_spec_once(index: Index, store: VenvStore) -> None:
    index.add("1.0.0")
    first = spec_of(tiny(), store)
    (folder,) = store.root.glob("source-tiny-1.0.0-*")
    (folder / "bin" / "source-tiny").write_text("#!/bin/sh\nexit 1\n")
    assert spec_of(tiny(), store) == first


def test_a_kept_spec_that_is_damaged_is_asked_for_again(index: Index, store: VenvStore) -> None:
    index.add("1.0.0")
    first = spec_of(tiny(), store)
    (kept,) = store.root.glob("source-tiny-1.0.0-*/spec.json")
    kept.write_text('{"connectionSpecification": [')
    assert spec_of(tiny(), store) == first
    assert json.loads(kept.read_text())["connectionSpecification"] == first


def test_the_newest_version_is_taken_and_one_that_is_pinned_is_kept_apart(
    index: Index, store: VenvStore
) -> None:
    index.add("1.0.0", word="old")
    index.add("2.0.0", word="new")
    assert spec_of(tiny(), store)["word"] == "new"
    assert spec_of(tiny(version="1.0.0"), store)["word"] == "old"
    assert spec_of(tiny(), store)["word"] == "new"


def test_what_is_installed_runs_without_an_index_or_uv(
    index: Index, store: VenvStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("1.0.0")
    store.ensure(tiny())
    for wheel in index.folder.iterdir():
        wheel.unlink()
    monkeypatch.setattr("penstock.engine.runners.uv.uv_program", None)
    lines: list[LogLine] = []
    again = VenvStore(root=store.root, on_log=lines.append)
    assert spec_of(tiny(), again)["word"] == "w"
    assert lines == []


def test_a_newer_version_comes_only_when_asked_for(index: Index, store: VenvStore) -> None:
    index.add("1.0.0")
    store.ensure(tiny())
    index.add("1.1.0")
    assert store.ensure(tiny()).version == "1.0.0"
    assert store.ensure(tiny(), upgrade=True).version == "1.1.0"
    assert store.ensure(tiny()).version == "1.1.0"
    assert store.ensure(tiny(), upgrade=True).version == "1.1.0"


def test_a_venv_without_its_stamp_is_made_anew(index: Index, store: VenvStore) -> None:
    index.add("1.0.0")
    made = store.ensure(tiny())
    (made.folder / STAMP).unlink()
    made.program.write_text("half")
    assert store.find(tiny()) is None
    assert spec_of(tiny(), store)["word"] == "w"


def test_a_venv_whose_python_is_gone_is_made_anew(index: Index, store: VenvStore) -> None:
    index.add("1.0.0")
    python = store.ensure(tiny()).folder / "bin" / "python"
    python.unlink()
    python.symlink_to("/gone/python3.11")
    assert spec_of(tiny(), store)["word"] == "w"


MAKER = """
import sys
from pathlib import Path
from penstock.engine.runners.venv import PackageRequest, VenvStore
print(VenvStore(root=Path(sys.argv[1])).ensure(PackageRequest(name="source-tiny")).folder)
"""


def maker(store: VenvStore) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAKER, str(store.root)], stdout=subprocess.PIPE, text=True
    )


def test_processes_that_install_at_once_make_one_venv(index: Index, store: VenvStore) -> None:
    index.add("1.0.0")
    told = [process.communicate()[0].strip() for process in [maker(store) for _ in range(3)]]
    assert len(set(told)) == 1
    assert len(list(store.root.glob("source-tiny-*"))) == 1
    assert list(store.root.glob(".making-*")) == []


def test_a_killed_installation_leaves_nothing_that_is_used(index: Index, store: VenvStore) -> None:
    index.add("1.0.0")
    process = maker(store)
    assert wait_until(lambda: list(store.root.glob(".making-*")) != [])
    process.kill()
    process.communicate()
    assert store.find(tiny()) is None
    assert spec_of(tiny(), store)["word"] == "w"
    assert list(store.root.glob(".making-*")) == []


def test_a_local_file_is_installed_and_again_after_a_change(
    index: Index, store: VenvStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = index.add("1.0.0", word="one")
    wheel = tmp_path / first.name
    first.rename(wheel)
    monkeypatch.chdir(tmp_path)
    request = tiny(pip_url=f"./{wheel.name}")
    assert spec_of(request, store)["word"] == "one"
    index.add("1.0.0", word="two").replace(wheel)
    assert spec_of(request, store)["word"] == "two"


def test_an_unknown_package_offers_the_nearest_names(index: Index, store: VenvStore) -> None:
    with pytest.raises(UnknownName, match="Did you mean source-near") as caught:
        spec_of(tiny(), store)
    assert "airbyte-source-tiny" in caught.value.message
    assert list(store.root.glob(".making-*")) == []


def test_an_unknown_version_is_told(index: Index, store: VenvStore) -> None:
    index.add("1.0.0")
    with pytest.raises(UnknownName, match="Choose another version"):
        spec_of(tiny(version="9.9.9"), store)


def test_no_network_is_a_failed_connection(
    store: VenvStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(ConnectionFailed, match="could not be fetched"):
        spec_of(tiny(), store)


def test_a_python_the_package_does_not_allow_is_told(index: Index, store: VenvStore) -> None:
    index.add("1.0.0", python="<3.9")
    with pytest.raises(ConfigError, match=r"asks for Python <3\.9; python is set to 3\.11"):
        spec_of(tiny(python="3.11"), store)


def test_a_package_for_no_python_there_is_any_more_is_told(index: Index, store: VenvStore) -> None:
    index.add("1.0.0", python="<3")
    with pytest.raises((ConfigError, UnknownName), match="<3"):
        spec_of(tiny(), store)


def test_a_python_that_is_not_there_is_told(index: Index, store: VenvStore) -> None:
    index.add("1.0.0")
    with pytest.raises(ConfigError, match=r"Python /no/python is not on this machine"):
        spec_of(tiny(python="/no/python"), store)


@pytest.mark.parametrize("python", ["3.11", sys.executable], ids=["version", "path"])
def test_a_python_that_is_asked_for_is_used(index: Index, store: VenvStore, python: str) -> None:
    index.add("1.0.0", python=">=3.8")
    expected = [3, 11] if python == "3.11" else list(sys.version_info[:2])
    assert spec_of(tiny(python=python), store)["python"] == expected


def test_a_dependency_that_is_missing_is_told_by_name(index: Index, store: VenvStore) -> None:
    index.add("1.0.0", needs="no-such-thing-at-all")
    with pytest.raises((UnknownName, ConfigError), match="no-such-thing-at-all"):
        spec_of(tiny(), store)


def test_a_package_that_cannot_be_built_is_told_with_the_last_lines(
    store: VenvStore, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    )
    (project / "backend.py").write_text("raise RuntimeError('no compiler here')\n")
    with pytest.raises(ConnectorFailed, match="no compiler here"):
        spec_of(tiny(pip_url=str(project)), store)


def test_a_package_without_a_program_is_told(index: Index, store: VenvStore) -> None:
    wheel = index.add("1.0.0", package="library", script="other")
    found = store.ensure(PackageRequest(name="source-tiny", pip_url=str(wheel)))
    assert found.script == "other"


def test_a_folder_that_cannot_be_written_is_told(index: Index, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        VenvStore(root=tmp_path / "file" / "x").ensure(tiny())


def test_a_token_in_a_url_is_neither_shown_nor_kept(
    store: VenvStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[LogLine] = []
    masked = VenvStore(root=store.root, on_log=lines.append)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    url = "https://me:t0k3n-x@127.0.0.1:9/tiny-1.0-py3-none-any.whl"
    with pytest.raises(ConnectionFailed) as caught:
        masked.ensure(tiny(pip_url=url))
    assert "t0k3n-x" not in repr(lines) + str(caught.value.as_document())


@pytest.mark.network
@pytest.mark.slow
def test_a_real_connector_is_installed_checked_and_read() -> None:
    runner = venv_runner(PackageRequest(name="source-hardcoded-records"))
    config = {"count": 50}
    runner.check(config)
    streams = runner.discover(config).streams
    assert {stream.name for stream in streams} >= {"products", "customers"}
    catalog = ConfiguredCatalog(
        streams=tuple(ConfiguredStream(stream=s) for s in streams if s.name == "customers")
    )
    with runner.read(config, catalog, ()) as reading:
        rows = sum(item.rows.num_rows for item in reading if isinstance(item, Batch))
    assert rows == 50


@pytest.mark.network
@pytest.mark.slow
def test_source_faker_gives_every_row_and_its_own_reason_when_it_refuses() -> None:
    runner = venv_runner(PackageRequest(name="source-faker", version="7.2.1"))
    config = {"count": 200, "seed": 7}
    streams = runner.discover(config).streams
    catalog = ConfiguredCatalog(
        streams=tuple(ConfiguredStream(stream=s) for s in streams if s.name == "users")
    )
    with runner.read(config, catalog, ()) as reading:
        rows = sum(item.rows.num_rows for item in reading if isinstance(item, Batch))
    assert rows == 200
    with pytest.raises((ConfigError, ConnectorFailed), match="many"):
        runner.check({"count": "many"})
