"""The wheel is complete: built, installed into an empty environment and run from an empty folder,
it plays the demo.

The new environment has nothing but the wheel and a path to the libraries that this test run uses
itself: so the test asks no index and takes seconds, and yet every module and file of botpit comes
from the wheel, as the working tree is on nobody's path.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes.running import running_command

HOUSE = Path(__file__).resolve().parents[2]
TOP_LEVEL = {"bot_strategies.py", "message_schemas.py"}
"""What a plugin imports."""
BESIDE_THE_CODE = {
    "botpit/py.typed", "botpit/bots_config.json", "botpit/bots_config_stress.json", "botpit/bots_config_twenty.json",
    "botpit/examples/my_first_bot.py",
}  # fmt: skip
THEIR_OWN = (
    "exporter",
    "message_schemas",
    "bot_strategies",
    "random",
    "token",
    "io",
    "exchange_server",
)
"""Modules of a user's own, in the folder that he stands in, that are called like one of ours or of Python's."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip(
        "hatchling", reason="the build backend is not installed: `make test` installs it"
    )
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=HOUSE,
        check=True,
    )
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
    packages.joinpath("libraries.pth").write_text(
        "\n".join(sorted(libraries)), encoding="utf-8"
    )
    python = Path(sysconfig.get_path("scripts", vars=paths)) / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-compile",
    ]
    subprocess.run(
        [*pip, "--disable-pip-version-check", "--ignore-installed", str(wheel)], check=True
    )
    return python.parent


def test_the_wheel_holds_the_package_and_what_plugins_import_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    first_words = {name.split("/")[0] for name in names}
    assert {word for word in first_words if not word.endswith(".dist-info")} == TOP_LEVEL | {
        "botpit"
    }
    assert set(names) >= BESIDE_THE_CODE
    tree = {path.relative_to(HOUSE).as_posix() for path in (HOUSE / "botpit").rglob("*.py")}
    modules = {name for name in names if name.startswith("botpit/") and name.endswith(".py")}
    assert tree == {name for name in modules if not name.startswith("botpit/examples/")}


def test_all_programs_run_from_a_folder_with_names_like_theirs(
    environment: Path,
    tmp_path: Path,
    demo_ports: dict[str, int],
    marked: dict[str, str],
    left_behind: Callable[..., list[str]],
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in THEIR_OWN:
        folder.joinpath(f"{name}.py").write_text(
            f"raise SystemExit('{name}.py is not yours')", encoding="utf-8"
        )
    marked.pop("PYTHONPATH", None)

    def said(*command: object, code: int = 0) -> str:
        done = subprocess.run(
            [str(word) for word in command], cwd=folder, env=marked, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (code, ""), done.stdout
        return done.stdout

    botpit, ports = (
        environment / "botpit",
        [word for pair in demo_ports.items() for word in pair],
    )
    assert "final standings after" in said(botpit, "demo", "--duration", "5", *ports)
    assert left_behind() == []
    assert {path.name for path in folder.iterdir()} == {
        "runs",
        *(f"{name}.py" for name in THEIR_OWN),
    }
    (trades,) = folder.glob("runs/*/trades.csv")
    assert len(trades.read_text(encoding="utf-8").splitlines()) > 1
    assert said(botpit, "check", trades.parent).endswith("\nok\n")
    assert "snapshots that agree" in said(
        botpit, "replay", trades.parent / "exchange-data", "--verify"
    )
    assert said(environment / "python", "-m", "botpit", "check", trades.parent).endswith(
        "\nok\n"
    )
    for program in ("exchange", "relay", "bot", "battle", "monitor", "export", "archive"):
        assert f"usage: botpit {program} " in said(botpit, program, "--help")
    orders, events, feed = demo_ports.values()
    (config,) = folder.glob("runs/*/bots_config.json")  # that of the demo, whose ports it names
    exchange = (botpit, "exchange", "--order-port", orders, "--events-port", events)
    relay = (botpit, "relay", "--port", feed, "--upstream-uri", f"ws://127.0.0.1:{events}")
    with ExitStack() as stack:
        background = [
            stack.enter_context(
                running_command(*map(str, each), folder=folder, environment=marked)
            )
            for each in (exchange, relay)
        ]
        assert "final standings" in said(
            botpit, "battle", "--config", config, "--duration", "3", "--log-level", "error"
        )
        assert [process.stops() for process in reversed(background)] == [0, 0]
    assert left_behind(patiently=True) == []
    assert said(botpit, "check", folder).endswith("\nok\n")
