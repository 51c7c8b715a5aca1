"""What the package promises as a whole: structure, manifest, cheap imports, clean text."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import import_module, resources
from pathlib import Path

import npe2
import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "napari_usstrack"
MODULES = sorted(SRC.rglob("*.py"))
FILE_LINES, FUNCTION_LINES = 450, 60
HEAVY = ("torch", "napari", "qtpy", "cv2", "pandas", "xarray", "av", "pydicom", "matplotlib")
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".cff", ".txt", ".sh", ".json"}
# The top folders that lead to one person's or one machine's files.
MACHINE = "|".join(["work", "farm", "opt", "root", "home", "Users", "mnt", "srv"])
MACHINE_PATH = re.compile(rf"(?<![\w.:/~-])(?:[A-Z]:)?[/\\](?:{MACHINE})[/\\]\w")

each_module = pytest.mark.parametrize(
    "path", MODULES, ids=[path.relative_to(SRC).as_posix() for path in MODULES]
)


def python(code: str) -> str:
    """Output of a fresh interpreter."""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def tracked_text_files() -> list[Path]:
    """Files git tracks or would add; without git, all outside hidden and build folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if shutil.which("git") and (ROOT / ".git").exists():
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        found = [ROOT / name for name in ran.stdout.split("\0") if name]
    else:
        folders = [SRC, ROOT / "tests", ROOT / "scripts", ROOT / "benchmarks"]
        found = [*ROOT.glob("*"), *(path for folder in folders for path in folder.rglob("*"))]
    return [path for path in found if path.is_file() and path.suffix in TEXT]


# --- structure -------------------------------------------------------------------------------


def test_import_contract():
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    ran = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@each_module
def test_no_long_file_and_no_long_function(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node, clean=False)
            lines = node.end_lineno - node.lineno + 1
            lines -= len(documented.splitlines()) if documented else 0
            assert lines < FUNCTION_LINES, f"{node.name} has {lines} lines"


@each_module
def test_no_print_no_opencv_window_no_private_name_of_napari(path):
    text = path.read_text(encoding="utf-8")
    calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
    assert not re.search(r"cv2\.(imshow|waitKey|namedWindow)", text)
    assert not re.search(r"\._qt_|_qt_window|_qt_viewer", text)


# --- manifest and package data ---------------------------------------------------------------


def test_manifest_is_valid_and_the_copy_at_the_root_equal():
    manifest = npe2.PluginManifest.from_file(SRC / "napari.yaml")
    assert manifest.name == "napari-usstrack"
    assert manifest.display_name == "USSTrack"
    assert (ROOT / "napari.yaml").read_bytes() == (SRC / "napari.yaml").read_bytes()


def test_every_command_of_the_manifest_exists():
    manifest = npe2.PluginManifest.from_file(SRC / "napari.yaml")
    for command in manifest.contributions.commands or []:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(import_module(module), name)), command.id


@pytest.mark.parametrize("name", ["napari.yaml", "py.typed"])
def test_package_data_is_installed(name):
    assert resources.files("napari_usstrack").joinpath(name).is_file()


def test_napari_finds_the_plugin():
    manifest = npe2.PluginManifest.from_distribution("napari-usstrack")
    assert manifest.name == "napari-usstrack"


# --- cheap imports ---------------------------------------------------------------------------


def loaded_after(code: str) -> set[str]:
    end = "import sys; sys.stderr.flush(); sys.stdout.write('|' + ' '.join(sys.modules))"
    return set(python(f"{code}\n{end}").rpartition("|")[2].split())


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_after("import napari_usstrack; dir(napari_usstrack)")
    assert "napari_usstrack" in loaded
    assert not loaded & {*HEAVY, "numpy"}


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["benchmark", "--help"]])
def test_the_help_of_the_command_line_loads_nothing_heavy(arguments):
    code = f"""
import sys
from napari_usstrack.cli import main
sys.argv = ["usstrack", *{arguments!r}]
try:
    code = main()
except SystemExit as stop:
    code = stop.code
assert not code, code
"""
    loaded = loaded_after(code)
    assert "napari_usstrack.cli" in loaded
    assert not loaded & set(HEAVY)


def test_the_command_line_runs_as_module_and_as_program():
    program = Path(sysconfig.get_path("scripts")) / "usstrack"
    for command in ([program, "--help"], [sys.executable, "-m", "napari_usstrack.cli", "--help"]):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert "demo" in ran.stdout


@each_module
def test_no_module_acts_on_import(path):
    """Statements at module level only define, apart from docstrings and constants."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        assert not isinstance(node, ast.For | ast.While | ast.With), ast.unparse(node)
        bare_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        assert not bare_call, ast.unparse(node)


# --- clean text ------------------------------------------------------------------------------


def test_no_path_of_one_machine_in_any_text_file():
    found = []
    for path in tracked_text_files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:90]}")
    assert not found, "\n".join(found)


def test_constraints_pin_every_declared_requirement():
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert all("==" in line and "+" not in line for line in pinned)
    names = {normal(line.split("==")[0]) for line in pinned}
    declared = re.findall(r'^  "([A-Za-z0-9._-]+)[^"]*",?$', requirements_text(), re.MULTILINE)
    assert declared
    assert {normal(name) for name in declared} <= names


def requirements_text() -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tables = re.findall(r"^(?:dependencies|dev) = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    return "".join(tables)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
