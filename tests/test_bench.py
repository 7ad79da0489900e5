"""The judgement of `make bench`: its table of targets, and what it makes of figures. Nothing here is timed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from benchmarks.bench import exit_code, misses, page
from benchmarks.targets import TABLE, TargetsError, amount, judge, read_targets

TARGETS = read_targets(TABLE.read_text(encoding="utf-8"))
PROMISED = {
    "gateway.server_cpu", "compiled.gateway.server_cpu", "gateway.growth", "gateway.p50", "gateway.p99_9_ms", "gateway.max_ms",
    "gateway.frames_of_100", "engine.life_vs_bourse", "compiled.engine.life_vs_bourse", "growth.resting", "growth.accounts",
    "growth.instruments", "relay.turn_of_8", "relay.turn_of_1", "recovery.replay_s", "compiled.recovery.replay_s",
    "memory.resting_order", "memory.account", "memory.private_tape_mb", "crowd.bots",
    "startup.exchange_cpu_ms", "startup.bot_cpu_ms",
}  # fmt: skip
ON_THE_MARK = {each.name: float(each.at_least or each.at_most or 0) for each in TARGETS}


def test_every_promise_has_its_row() -> None:
    assert {each.name for each in TARGETS} == PROMISED


def test_a_figure_on_the_mark_meets_its_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(misses(judge(TARGETS, ON_THE_MARK, compiled_built=True))) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_figure_beyond_the_mark_is_missed_by_name(
    target, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = ON_THE_MARK[target.name] * (0.99 if target.at_least else 1.01)
    assert (
        exit_code(
            misses(judge(TARGETS, ON_THE_MARK | {target.name: worse}, compiled_built=True))
        )
        == 1
    )
    assert capsys.readouterr().err == f"missed: {target.name}\n"


def test_what_was_not_measured_is_missed() -> None:
    assert misses(judge(TARGETS, {}, compiled_built=True)) == [each.name for each in TARGETS]


def test_what_was_not_built_is_no_miss() -> None:
    plain = {
        name: value for name, value in ON_THE_MARK.items() if not name.startswith("compiled.")
    }
    verdicts = judge(TARGETS, plain, compiled_built=False)
    assert misses(verdicts) == []
    assert [verdict.cells()[2] for verdict in verdicts].count("not built") == 3


def test_the_page_has_a_line_for_each_row() -> None:
    verdicts = judge(TARGETS, {**ON_THE_MARK, "gateway.p50": 2.0}, compiled_built=False)
    text = page(verdicts, datetime(2026, 11, 28, tzinfo=UTC), "abc", "2 CPUs, Python 3.11.7")
    assert "2026-11-28, commit abc, 2 CPUs, Python 3.11.7." in text
    assert (
        "| sequential round trip vs `websockets` echo, p50 | 2.1x | 2x | ≤ 1.6x | no |" in text
    )
    assert text.count("\n|") == len(TARGETS) + 2


@pytest.mark.parametrize(("row", "fault"), [
    ('figure = "relay.x"\npath = ""\nbefore = ""\nunit = "x"', "relay.x: expected one of at_least and at_most"),
    ('figure = "moon.x"\npath = ""\nbefore = ""\nunit = "x"\nat_most = 1', "moon.x: expected a figure of gateway"),
    ('figure = "relay.x"\ncolour = 1', "relay.x: .*colour"),
])  # fmt: skip
def test_a_row_that_cannot_be_used_is_named(row: str, fault: str) -> None:
    with pytest.raises(TargetsError, match=fault):
        read_targets(f"[[row]]\n{row}\n")


def test_amounts_are_written_as_people_write_them() -> None:
    assert [amount(0.2166, "x"), amount(729, "bytes"), amount(7.1, "ms")] == [
        "0.217x",
        "729 bytes",
        "7.1 ms",
    ]
