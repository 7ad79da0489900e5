"""`botpit check` on whole runs: random markets are right, planted faults are found, and what is
missing or foreign is said.

The runs are recorded in-process (tests/runs/recorded_market.py): rows as exporter and wire write
them, results as the engine's accounts have it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from botpit.__main__ import main
from botpit.cli.check import findings
from botpit.core.commands import SetMark, Tick
from botpit.runs.audit.rows import Wrong
from proofs.planted_rows import hunt
from tests.runs.recorded_market import RecordedMarket, random_market, write_run

HOUSE = Path(__file__).resolve().parents[2]
ONE = """
[market]
starting_cash = 900
maker_fee_bps = {}
taker_fee_bps = {}
insurance_fund = 40
max_order_notional = 4000
"""
FREE, WITH_FEES = ONE.format(0, 0), ONE.format(-1, 3)


def run_check(capsys, *argv: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    code = main(["check", *map(str, argv)])
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture(scope="module")
def market() -> RecordedMarket:
    """One instrument, fees, liquidations, bankruptcies; closed at the end."""
    market = random_market(5, 3_000, toml=WITH_FEES)
    market.closes()
    return market


@pytest.fixture
def run(market, tmp_path) -> Path:
    return write_run(tmp_path / "run", market)


# ----------------------------------------------------------------------------------- right as it is


@pytest.mark.parametrize(
    ("seed", "step_ms"), [(1, 37), (2, 0.3), (3, 0.05), (923, 37)], ids=str
)
@pytest.mark.parametrize(
    "toml", [FREE, WITH_FEES, None], ids=["free", "fees", "three instruments"]
)
def test_whatever_the_rules_allow_is_right(tmp_path, seed, step_ms, toml):
    """Also where many commands share a millisecond, where the house has closed in the end, and
    (923, three instruments) where the first fees that are told add up to whole amounts.
    """
    market = random_market(seed, 1_500, toml=toml, step_ms=step_ms)
    if seed % 2:
        market.closes()
    folder = write_run(tmp_path, market)
    assert "not compared" not in list(findings(folder, None))[-1]
    if toml is not None:
        list(findings(folder, None, with_results=False))


def test_what_was_checked_is_said_line_by_line(capsys, run, market):
    code, out, err = run_check(capsys, run)
    rows = {name: len(lines) for name, lines in market.texts.items()}
    names = [line.partition(":")[0] for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert names == [
        "rows",
        "positions",
        "realized_pnl",
        "cash",
        "insurance",
        "total_equity",
        "settlement",
        "results",
        "ok",
    ]
    assert (
        f"rows: {rows['trades.csv']} trades, {rows['performance.csv']} of accounts, {rows['liquidations.csv']} of"
        in out
    )
    assert "fees of -1 bps (maker) and 3 bps (taker)" in out and "all began with 900" in out


# ----------------------------------------------------------------------------------- planted faults


NO_FILE_SHOWS = ("(same millisecond)", "performance.csv: timestamp")
"""In which order things happened within a millisecond, and when exactly a mark was told."""


@pytest.mark.parametrize("toml", [FREE, WITH_FEES], ids=["free", "fees"])
def test_planted_faults_are_found_where_they_are(tmp_path, toml):
    """Lost rows of marks are only counted, and what the fund began with is in no file: the row
    after is held against the first. Fees that are capped when nothing is left blur what the fund
    got.
    """
    run = write_run(tmp_path, random_market(5, 2_000, toml=toml))
    no_file_shows = NO_FILE_SHOWS if toml == FREE else (*NO_FILE_SHOWS, "insurance.csv: cash")
    for each in hunt(run, 60, seed=1):
        if not each.fault.kind.endswith(no_file_shows):
            assert each.said is not None, each
            assert each.located or each.fault.kind.endswith(
                ("(no trade in it)", "insurance.csv: cash")
            ), each


FIGURES = [
    *(
        (f"market.{name}", "market", name)
        for name in ("trades", "volume", "liquidations", "deleveragings", "insurance_cash")
    ),
    *(
        (f"standings[0] (alice).{name}", 0, name)
        for name in ("cash", "realized_pnl", "trades", "volume")
    ),
    *((f"standings[0] (alice).{name}", 0, name) for name in ("liquidations", "deleveragings")),
]
"""Where it stands, as it is said, and as the file has it."""


@pytest.mark.parametrize(("place", "where", "name"), FIGURES)
def test_a_figure_of_the_results_that_differs_is_named(tmp_path, place, where, name):
    run = write_run(tmp_path, random_market(20, 600, toml=WITH_FEES))
    results = json.loads((run / "results.json").read_text())
    record = (
        results["rounds"][0]["market"]
        if where == "market"
        else results["rounds"][0]["standings"][where]
    )
    record[name] += 1
    (run / "results.json").write_text(json.dumps(results))
    with pytest.raises(Wrong, match=r"expected .* by the rows") as found:
        list(findings(run, None))
    assert str(found.value).startswith(f"{run / 'results.json'}:rounds[0].{place}: ")


def test_a_bots_report_is_held_against_the_rows_as_far_as_it_can_be_whole(tmp_path):
    """Of those who were never forced. Fewer fills than trades: the bot did not live to see them all."""
    market = random_market(20, 200, toml=WITH_FEES)
    run = write_run(tmp_path, market)
    last = list(findings(run, None))[-1]
    path, report = run / "reports/alice.json", market.report("alice")
    assert (
        f", 5 of {len(market.trades)} bots' reports agree (the others were liquidated" in last
    )
    path.write_text(json.dumps(report | {"fills": report["fills"] - 1}))
    assert f", 4 of {len(market.trades)} bots' reports agree" in list(findings(run, None))[-1]
    path.write_text(json.dumps(report | {"filled_qty": report["filled_qty"] + 1}))
    with pytest.raises(
        Wrong,
        match=rf"^{path}: expected at most \d+ fills of \d+ lots by the rows, found \d+ of \d+",
    ):
        list(findings(run, None))
    path.write_text("{")
    with pytest.raises(Wrong, match=f"^{path}: not what it should be"):
        list(findings(run, None))
    results = (run / "results.json").read_text()
    (run / "results.json").write_text(
        results.replace("reports/alice.json", f"../{run.name}/reports/alice.json")
    )
    assert (
        f", 4 of {len(market.trades) - 1} bots' reports agree" in list(findings(run, None))[-1]
    ), "looked for elsewhere"
    shutil.rmtree(run / "reports")
    assert "reports" not in list(findings(run, None))[-1]


def test_fees_are_what_cash_lacks(tmp_path):
    run = write_run(tmp_path, random_market(20, 200, toml=WITH_FEES))
    results = json.loads((run / "results.json").read_text())
    (unforced,) = [
        each for each in results["rounds"][0]["standings"] if each["trader_id"] == "alice"
    ]
    unforced["fees"] = round(unforced["fees"] + 0.01, 8)
    (run / "results.json").write_text(json.dumps(results))
    with pytest.raises(Wrong, match=r"\(alice\)\.fees: expected .* by the rows"):
        list(findings(run, None))


def test_an_amount_that_is_no_money_is_named_where_it_stands(tmp_path):
    run = write_run(tmp_path, random_market(20, 200, toml=WITH_FEES))
    results = json.loads((run / "results.json").read_text())
    results["rounds"][0]["standings"][0]["cash"] += 1e-10
    (run / "results.json").write_text(json.dumps(results))
    with pytest.raises(Wrong, match=r"standings\[0\] \(alice\)\.cash"):
        list(findings(run, None))
    (run / "results.json").write_text(
        json.dumps(results).replace('"cash": ', '"cash": 1e99999, "was": ', 1)
    )
    with pytest.raises(
        Wrong, match=r"results\.json: rounds\.0\.standings\.0\.cash: Input should be less than"
    ):
        list(findings(run, None))


def test_a_trader_without_a_standing_and_one_whose_equity_is_not_his_cash(run):
    results = json.loads((run / "results.json").read_text())
    alice = results["rounds"][0]["standings"].pop(0)
    (run / "results.json").write_text(json.dumps(results))
    with pytest.raises(
        Wrong, match="traders without one: expected alice by the rows, found none"
    ):
        list(findings(run, None))
    results["rounds"][0]["standings"].insert(0, alice | {"total_equity": alice["cash"] + 0.01})
    (run / "results.json").write_text(json.dumps(results))
    with pytest.raises(Wrong, match=r"standings\[0\] \(alice\)\.total_equity"):
        list(findings(run, None))


def test_positions_and_settlements_of_the_results_are_those_of_the_rows(tmp_path):
    run = write_run(tmp_path, random_market(20, 600, toml=WITH_FEES))
    results = json.loads((run / "results.json").read_text())
    results["rounds"][0]["market"]["settlement"] = {"SIM": 100.0}
    (run / "results.json").write_text(json.dumps(results))
    with pytest.raises(
        Wrong, match=r"rounds\[0\]\.market\.settlement\.SIM: traders with a position"
    ):
        list(findings(run, None))
    results["rounds"][0]["market"]["settlement"] = {}
    results["rounds"][0]["standings"][0]["positions"]["SIM"] += 1
    (run / "results.json").write_text(json.dumps(results))
    with pytest.raises(Wrong, match=r"standings\[0\] \(alice\)\.positions: "):
        list(findings(run, None))


def test_what_the_battle_did_not_see_is_not_held_against_it(run):
    results = json.loads((run / "results.json").read_text())
    told = results["rounds"][0]
    told["market"] |= {
        "trades": told["market"]["trades"] - 3,
        "trades_before": 3,
        "volume": 1,
        "liquidations": 0,
    }
    for each in told["standings"]:
        each |= {"trades": 0, "volume": 0, "liquidations": 0, "deleveragings": 0}
    (run / "results.json").write_text(json.dumps(results))
    assert list(findings(run, None))[-1].endswith(
        "not compared, as the battle did not see all: volumes, liquidations"
    )


def test_a_market_that_went_on_after_the_battle_is_not_held_against_its_results(run):
    results = json.loads((run / "results.json").read_text())
    results["rounds"][0] |= {"ended_at": "2023-11-14T22:13:30.000+00:00"}
    (run / "results.json").write_text(json.dumps(results))
    assert (
        "results: not compared: trading went on after the battle's end"
        in list(findings(run, None))[-1]
    )


# -------------------------------------------------------------------------- markets, files, formats


def test_two_markets_in_one_run_are_told_apart(tmp_path, capsys):
    first = random_market("a", 200, toml=FREE)
    second = random_market("b", 200, toml=WITH_FEES, start_ns=first.now_ns)
    run = write_run(tmp_path, first, second)
    code, out, _ = run_check(capsys, run)
    assert code == 0 and out.count("market m-") == 2 and "no fees" in out and "-1 bps" in out
    path, last = (
        run / "trades.csv",
        len(first.texts["trades.csv"]) + len(second.texts["trades.csv"]) + 1,
    )
    lines = path.read_text().splitlines(keepends=True)
    time, price, qty, *names = lines[last - 1].split(",")
    lines[last - 1] = ",".join([time, price, f"{int(qty) % 9 + 1}", *names])
    path.write_text("".join(lines))
    code, out, _ = run_check(capsys, run)
    assert code == 4 and f"{path}:{last}: these" in out


def test_without_the_state_file_two_rounds_cannot_be_told_apart(tmp_path, capsys):
    run = write_run(tmp_path, random_market("a", 50), random_market("b", 50), state=False)
    code, _, err = run_check(capsys, run)
    assert code == 2 and "without .export-state.json" in err


@pytest.mark.parametrize("name", ["trades.csv", "performance.csv"])
def test_a_file_that_is_missing_is_named(run, capsys, name):
    (run / name).unlink()
    code, out, err = run_check(capsys, run)
    assert (code, out) == (2, "") and f"there is no {run / name}" in err
    (run / ".export-state.json").unlink()
    code, out, err = run_check(capsys, run)
    assert (
        (code, out) == (2, "")
        and f"there is no {run / name}; name the folder that has trades.csv and performance.csv"
        in err
    )


def test_what_is_no_run_is_refused(tmp_path, capsys):
    assert "not a folder" in run_check(capsys, tmp_path / "nowhere")[2]
    code, _, err = run_check(capsys, tmp_path)
    assert code == 2 and f"there is no {tmp_path / 'trades.csv'}" in err


def test_results_of_an_older_version_are_refused_and_can_be_left_out(run, capsys):
    (run / "results.json").write_text('{"version": "0.1.0", "standings": []}')
    code, _, err = run_check(capsys, run)
    assert (
        code == 2
        and "made by an older version of botpit (format 1; this one reads format 2); --no-results"
        in err
    )
    assert run_check(capsys, run, "--no-results")[0] == 0


def test_the_newest_results_are_taken_or_those_that_are_named(run, capsys, tmp_path):
    old = shutil.move(run / "results.json", tmp_path / "old.json")
    (run / "results-2.json").write_text('{"format": 2, "rounds": 5}')
    code, out, _ = run_check(capsys, run)
    assert code == 4 and f"{run / 'results-2.json'}: rounds: " in out
    assert run_check(capsys, run, "--results", old)[0] == 0
    assert "No such file" in run_check(capsys, run, "--results", tmp_path / "none.json")[2]


def test_results_of_another_market_are_refused(run, capsys):
    results = json.loads((run / "results.json").read_text())
    results["rounds"][0]["market"]["market_id"] = "another"
    (run / "results.json").write_text(json.dumps(results))
    code, _, err = run_check(capsys, run)
    assert code == 2 and "is of market another, the CSV files are of m-5" in err


def test_a_torn_line_is_named_and_what_is_newer_than_the_state_is_left_out(run, capsys):
    path = run / "performance.csv"
    lines = path.read_text().count("\n")
    with path.open("a") as file:
        file.write("1700000999999,alice,5,10")
    code, out, _ = run_check(capsys, run)
    assert code == 0 and f"left out: 24 bytes of {path}" in out
    (run / ".export-state.json").unlink()
    code, out, _ = run_check(capsys, run)
    assert code == 4 and out.startswith(f"{path}:{lines + 1}: expected a whole line")


def test_a_lost_row_of_a_mark_is_told_by_the_size_of_the_file_and_by_the_count_of_rows(
    tmp_path, capsys
):
    market = random_market(5, 400, toml=FREE)
    market.does(SetMark("SIM", market.exchange.markets["SIM"].mark + 1))
    market.does(Tick(), 2_000)
    run = write_run(tmp_path, market)
    path, state = run / "performance.csv", run / ".export-state.json"
    *rows, last = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows))
    size = path.stat().st_size
    code, out, _ = run_check(capsys, run)
    place = f"{path}:{len(rows) + 1}"
    words = (
        f"expected {size + len(last)} bytes by .export-state.json, the file ends after {size}"
    )
    assert (code, out) == (4, f"{place}: {words}\n")
    state.write_text(
        state.read_text().replace(
            f'"performance.csv": {size + len(last)}', f'"performance.csv": {size}'
        )
    )
    code, out, _ = run_check(capsys, run)
    assert (code, out) == (
        4,
        f"{place}: expected {len(rows)} rows by .export-state.json, found {len(rows) - 1}\n",
    )


def test_foreign_text_is_printed_as_its_escapes(run, capsys):
    path = run / "trades.csv"
    path.write_bytes(
        path.read_bytes()
        .replace(b",", b",\x1b[2J\xff", 1)
        .replace(b"\n1", b"\n\x1b]0;x\x071", 1)
    )
    code, out, _ = run_check(capsys, run)
    assert code == 4 and out.rstrip("\n").isprintable()


def test_a_state_file_is_not_believed_blindly(run, capsys):
    path = run / ".export-state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"sizes": {"../../etc/passwd": 5}}))
    code, out, _ = run_check(capsys, run)
    assert code == 4 and "expected the name of a CSV file in sizes" in out
    path.write_text(json.dumps(state | {"sizes": {"../trades.csv": 5}}))
    assert "expected the name of a CSV file in sizes" in run_check(capsys, run)[1]
    path.write_text(
        json.dumps(state | {"markets": [{"market_id": "m", "began": {"trades.csv": 10**9}}]})
    )
    assert (
        f"{path}: trades.csv of a market begins at byte 1000000000 and ends at"
        in run_check(capsys, run, "--no-results")[1]
    )
    path.write_text("{")
    assert run_check(capsys, run)[0] == 4
    path.write_text(json.dumps(state | {"format": 9}))
    assert run_check(capsys, run)[0] == 2


def test_the_command_works_piped(run):
    """As a process of its own: the exit code, nothing on stderr, and no escape code."""
    command = [sys.executable, "-m", "botpit", "check", str(run)]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr, done.stdout.splitlines()[-1]) == (0, "", "ok")
    assert "\x1b" not in done.stdout
