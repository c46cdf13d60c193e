"""The package builds, installs and runs in each of the ways in which users and developers install it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "cutlayer": "cutlayer",
    "analysis": "cutlayer/analysis",
    "experiments": "cutlayer/experiments",
    "models": "cutlayer/models",
    "scenarios": "cutlayer/scenarios",
    "sim": "cutlayer/sim",
}
PACKED = {".py", ".pyi", ".csv", ".yaml", ".json", ".typed"}
NOT_SOURCE = (
    ".*cache*",
    ".git",
    ".venv",
    "_build",
    ".hypothesis",
    "__pycache__",
    "*.egg-info",
    "build",
    "dist",
)

USER_SCRIPT = """\
import cutlayer

result = cutlayer.run("quickstart", overrides=["learning=null", "stop.rounds=2"])
print(cutlayer.__file__)
print(len(result.rounds))
"""


def run(*command: str | Path, folder: Path) -> str:
    """Run a command without the checkout on its path, and return its output; a failure shows all of it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    return process.stdout


def new_environment(folder: Path) -> Path:
    """Make a virtual environment that can import the packages of the running one; return its Python."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=ROOT)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    # The name sorts after that of an editable install's file, so that the environment's modules come first.
    (site_packages / "zz_running_environment.pth").write_text(
        sysconfig.get_path("purelib") + "\n", encoding="utf-8"
    )
    return folder / "bin" / "python"


def install(python: Path, *arguments: str | Path, folder: Path) -> None:
    """Install a package into an environment that has its dependencies already."""
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-deps", "--no-build-isolation", "--ignore-installed", *arguments, folder=folder)


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a source folder as ``pip install .`` does."""
    options = ("--no-deps", "--no-build-isolation", "-w", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, source, folder=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def files_of(wheel: Path) -> set[str]:
    """Return the names of the files in a wheel, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def use(python: Path, folder: Path) -> Path:
    """Run a scenario from a user's script and from the command line; return the folder of the package."""
    (folder / "study.py").write_text(USER_SCRIPT, encoding="utf-8")
    location, rows = run(python, "study.py", folder=folder).splitlines()
    assert "10" == rows
    command = python.parent / "cutlayer"
    run(command, "run", "quickstart", "--set", "stop.rounds=2", folder=folder)
    assert (folder / "runs" / "quickstart" / "summary.json").exists()
    return Path(location).parent


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the repository, with a scratch file at its root that belongs into no package."""
    copy = tmp_path_factory.mktemp("source") / "cutlayer"
    patterns = shutil.ignore_patterns(*NOT_SOURCE)

    def ignored(folder: str, names: list[str]) -> set[str]:
        results = {"runs", "sweeps"} if Path(folder) == ROOT else set[str]()
        return {*patterns(folder, names), *results}

    shutil.copytree(ROOT, copy, ignore=ignored)
    for gate in (".ci", ".pre-commit-config.yaml"):
        assert (copy / gate).exists()
    (copy / "scratch.py").write_text("raise SystemExit('a scratch file')\n", encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that is built from the repository."""
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """The six folders' modules, type stubs, library, tables and schema are packed, and no other file."""
    expected = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in PACKED or path.name == "py.typed"
    }
    assert expected == files_of(wheel)


def test_the_description_has_no_relative_links(wheel: Path) -> None:
    """The README's links to files of the repository are plain names on a page that stands elsewhere."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    assert "Papers names the paper of each scheme" in text
    assert "](" not in text.replace("](https:", "")


def test_a_deleted_module_leaves_the_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    """The build folder of an earlier wheel adds nothing to the next."""
    copy = tmp_path / "source"
    shutil.copytree(source, copy)
    extra = copy / "sim" / "costs" / "new_module.py"
    extra.write_text('"""A module."""\n', encoding="utf-8")
    (tmp_path / "first").mkdir()
    assert "cutlayer/sim/costs/new_module.py" in files_of(build_wheel(copy, tmp_path / "first"))
    extra.unlink()
    (tmp_path / "second").mkdir()
    assert files_of(wheel) == files_of(build_wheel(copy, tmp_path / "second"))


def test_a_wheel_runs_in_a_new_environment(wheel: Path, tmp_path: Path) -> None:
    """An installed wheel runs a scenario, trains in it, and finds its library."""
    python = new_environment(tmp_path / "environment")
    install(python, wheel, folder=tmp_path)
    assert (tmp_path / "environment") in use(python, tmp_path).parents


def test_a_source_archive_gives_the_same_wheel_and_passes_its_tests(
    source: Path, wheel: Path, tmp_path: Path
) -> None:
    """The archive holds all that the tests, the documentation's examples and the benchmarks need."""
    build = "import sys, cutlayer_build; cutlayer_build.build_sdist(sys.argv[1])"
    run(
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, 'build_backend'); {build}",
        tmp_path,
        folder=source,
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    (tmp_path / "wheel").mkdir()
    assert files_of(wheel) == files_of(build_wheel(unpacked, tmp_path / "wheel"))
    python = new_environment(tmp_path / "environment")
    install(python, unpacked, folder=tmp_path)
    tests = ("tests/scenarios/loading", "tests/sim/timeline", "tests/test_import_contracts.py")
    run(python, "-P", "-m", "pytest", "-q", "-n", "0", *tests, folder=unpacked)


def test_an_editable_install_runs_and_has_types(source: Path, tmp_path: Path) -> None:
    """Changes in the checkout take effect at once, and mypy knows the types of the package."""
    python = new_environment(tmp_path / "environment")
    install(python, "--config-settings", "editable_mode=strict", "-e", source, folder=tmp_path)
    assert source in use(python, tmp_path).parents
    (source / "sim" / "costs" / "stages.py").open("a", encoding="utf-8").write("\nNEW_CONSTANT = 1\n")
    check = "from cutlayer.sim.costs import stages; print(stages.NEW_CONSTANT)"
    assert "1\n" == run(python, "-c", check, folder=tmp_path)
    script = tmp_path / "typed_study.py"
    script.write_text("import cutlayer\n\nreveal_type(cutlayer.run('quickstart').rounds)\n", encoding="utf-8")
    mypy = (sys.executable, "-m", "mypy", "--python-executable", python, "--cache-dir", "cache")
    output = run(*mypy, script, folder=tmp_path)
    assert 'Revealed type is "pandas' in output, output
