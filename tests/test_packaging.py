"""The wheel is complete: built, installed into an empty environment and run from an empty folder, it plays the demo.

The new environment has nothing but the wheel and a path to the libraries that this test run uses itself: so the test asks no
index and takes seconds, and yet every module and file of botpit comes from the wheel, as the working tree is on nobody's path.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
TOP_LEVEL = {
    "bot_battle_runner.py", "bot_client.py", "bot_strategies.py", "exchange_server.py", "exporter.py", "market_data_server.py",
    "message_schemas.py", "monitor_client.py",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the build backend is not installed: `make test` installs it")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=HOUSE, check=True)
    (built,) = folder.glob("botpit-*.whl")
    return built


@pytest.fixture
def environment(wheel: Path, tmp_path: Path) -> Path:
    """The `bin` folder of an environment with the wheel in it."""
    home = tmp_path / "environment"
    venv.create(home, symlinks=True)
    paths = {"base": str(home), "platbase": str(home)}
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    packages.joinpath("libraries.pth").write_text("\n".join(sorted(libraries)), encoding="utf-8")
    python = Path(sysconfig.get_path("scripts", vars=paths)) / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "--disable-pip-version-check", "--ignore-installed", str(wheel)], check=True)
    return python.parent


def test_the_wheel_holds_the_programs_the_package_and_the_battle_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    first_words = {name.split("/")[0] for name in names}
    assert {word for word in first_words if not word.endswith(".dist-info")} == TOP_LEVEL | {"botpit"}
    assert "botpit/bots_config.json" in names
    tree = {path.relative_to(HOUSE).as_posix() for path in (HOUSE / "botpit").rglob("*.py")}
    assert tree == {name for name in names if name.startswith("botpit/") and name.endswith(".py")}


def test_the_installed_demo_runs_from_an_empty_folder(
    environment: Path, tmp_path: Path, demo_ports: dict[str, int], marked: dict[str, str], left_behind: Callable[..., list[str]]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    marked.pop("PYTHONPATH", None)
    ports = [str(word) for pair in demo_ports.items() for word in pair]
    demo = subprocess.run(
        [environment / "botpit", "demo", "--duration", "5", *ports],
        cwd=empty, env=marked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (demo.returncode, demo.stderr) == (0, "")
    assert "final standings after" in demo.stdout
    assert left_behind() == []
    assert [path.name for path in empty.iterdir()] == ["runs"]
    (trades,) = empty.glob("runs/*/trades.csv")
    assert len(trades.read_text(encoding="utf-8").splitlines()) > 1
