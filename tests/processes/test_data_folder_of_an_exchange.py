"""One exchange, its data folder, and what it does when it is started again: with what it finds
there, or not at all.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.processes.running import FREE, HOUSE, Exchange, exchange, outcome, running

FEES = "[market]\ntaker_fee_bps = 5"
FULL = """
import resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
sys.path.insert(0, {house!r})
sys.argv[0] = "exchange_server.py"
runpy.run_path({program!r}, run_name="__main__")
"""


def dial(address: str) -> ClientConnection:
    return connect(address, compression=None, proxy=None, max_size=None)


def ask(client: ClientConnection, **request: Any) -> dict[str, Any]:
    client.send(json.dumps(request))
    return json.loads(client.recv())


def order(
    client: ClientConnection,
    name: str,
    trader: str = "alice",
    side: str = "buy",
    price: float = 99.5,
) -> dict[str, Any]:
    return ask(
        client,
        type="order",
        trader_id=trader,
        side=side,
        qty=2,
        price=price,
        client_order_id=name,
    )


def die(house: Exchange) -> None:
    assert house.process.stops(signal.SIGKILL) == -signal.SIGKILL


def past(house: Exchange) -> list[bytes]:
    """Every public event of the market, as it is told now."""
    with dial(house.events) as reader:
        reader.send('{"type":"subscribe","channels":["trades","positions","orders"]}')
        reader.send('{"type":"resume","from_seq":1}')
        while json.loads(reader.recv())["type"] != "resumed":
            continue
        heard = [reader.recv(decode=False)]
        while json.loads(heard[-1])["type"] != "snapshot":
            heard.append(reader.recv(decode=False))
        return heard[:-1]


def refused(folder: Path, *flags: str) -> tuple[int, str]:
    code, said, complained = outcome(
        "exchange_server.py", *FREE, "--no-export", *flags, folder=folder
    )
    assert said == "" and complained.count("\n") >= 1
    return code, complained.splitlines()[-1]


def journal(folder: Path) -> Path:
    (found,) = (folder / "exchange-data").glob("market-*/journal-000000000001.log")
    return found


@pytest.fixture
def traded(tmp_path):
    """A folder in which alice has bought two of four lots from bob, and the exchange was killed."""
    with exchange(tmp_path) as house, dial(house.orders) as client:
        order(client, "a1")
        order(client, "b1", trader="bob", side="sell")
        order(client, "a2")
        die(house)
    return tmp_path


# --------------------------------------------------------------------------------------- it goes on


def test_after_a_kill_it_is_the_same_market_with_the_same_answers(tmp_path):
    with exchange(tmp_path) as house, dial(house.orders) as client:
        first, _ = order(client, "a1"), order(client, "b1", trader="bob", side="sell")
        account, told = ask(client, type="account", trader_id="alice"), past(house)
        die(house)
    with exchange(tmp_path) as again, dial(again.orders) as client:
        assert again.market_id == house.market_id
        assert order(client, "a1") == first | {"repeated": True}
        assert ask(client, type="account", trader_id="alice") | {"timestamp": 0} == account | {
            "timestamp": 0
        }
        assert past(again) == told
        assert order(client, "a2")["order_id"] == 3


def test_a_trader_who_comes_back_has_the_events_he_missed_byte_for_byte(tmp_path):
    with exchange(tmp_path) as house, dial(house.orders) as alice:
        ask(alice, type="login", trader_id="alice")
        heard = [json.dumps(order(alice, name)) for name in ("a1", "a2")]
        die(house)
    with exchange(tmp_path) as again, dial(again.orders) as alice:
        answer = ask(
            alice, type="login", trader_id="alice", last_seq=0, market_id=house.market_id
        )
        assert (answer["type"], answer["account_seq"]) == ("logged_in", 2)
        assert [json.dumps(json.loads(alice.recv())) for _ in heard] == heard


def test_logins_of_before_are_ended_and_orders_go_where_that_was_asked(tmp_path):
    with exchange(tmp_path) as house, dial(house.orders) as alice, dial(house.orders) as bob:
        ask(alice, type="login", trader_id="alice", cancel_on_disconnect=True)
        ask(bob, type="login", trader_id="bob")
        order(alice, "a1")
        order(bob, "b1", trader="bob", price=99.4)
        die(house)
    with exchange(tmp_path) as again, dial(again.orders) as client:
        assert ask(client, type="open_orders", trader_id="alice")["orders"] == []
        assert [
            each["client_order_id"]
            for each in ask(client, type="open_orders", trader_id="bob")["orders"]
        ] == ["b1"]


def test_fresh_begins_a_market_beside_the_old_one(traded):
    (before,) = (traded / "exchange-data").glob("market-*")
    with exchange(traded, "--fresh") as house, dial(house.orders) as client:
        assert ask(client, type="open_orders", trader_id="alice")["orders"] == []
    assert {path.name for path in (traded / "exchange-data").glob("market-*")} == {
        before.name,
        f"market-{house.market_id}",
    }
    with exchange(traded) as again:
        assert again.market_id == house.market_id


def test_without_durability_nothing_is_kept(tmp_path):
    with exchange(tmp_path, "--durability", "none") as house:
        die(house)
    assert not (tmp_path / "exchange-data").exists()


# -------------------------------------------------------------------------------- it does not start


def test_a_second_exchange_is_kept_out_until_the_first_is_gone_however_it_went(tmp_path):
    with exchange(tmp_path) as house:
        code, said = refused(tmp_path)
        assert code == 2 and "exchange-data" in said and str(house.process.popen.pid) in said
        die(house)
    with exchange(tmp_path) as again:
        assert again.market_id == house.market_id


def test_other_rules_are_refused_by_name_unless_it_may_take_them_over(traded):
    (traded / "exchange.toml").write_text(FEES, encoding="utf-8")
    code, said = refused(traded)
    assert (
        code == 2
        and "instruments.SIM.taker_fee_bps: 0, now 5" in said
        and "--reconfigure" in said
        and "--fresh" in said
    )
    with exchange(traded, "--reconfigure") as house, dial(house.orders) as client:
        logged_in = ask(client, type="login", trader_id="carol")
        assert logged_in["instruments"][0]["taker_fee_bps"] == 5
        die(house)
    with exchange(traded) as again:
        assert again.market_id == house.market_id, "the new rules are in the journal"


def test_what_a_tick_is_worth_cannot_be_changed(traded):
    (traded / "exchange.toml").write_text("[[instruments]]\ntick = 0.05", encoding="utf-8")
    code, said = refused(traded, "--reconfigure")
    assert code == 2 and "tick" in said and "--fresh" in said


def test_damage_is_refused_with_file_line_and_byte(traded):
    path = journal(traded)
    text = path.read_bytes()
    at = text.index(b'"a1"') + 1
    path.write_bytes(text[:at] + b"z" + text[at + 1 :])
    code, said = refused(traded)
    line_begins = text.rindex(b"\n", 0, at) + 1
    assert code == 4
    assert re.search(
        rf"{re.escape(path.name)}, line {text[:at].count(10) + 1}, byte {line_begins}\b", said
    ), said


def test_a_torn_end_is_dropped_and_told(traded):
    with open(journal(traded), "ab") as file:
        file.write(b"4 1795272452408103593 Order [")
    with exchange(traded) as house, dial(house.orders) as client:
        assert "bytes=29" in house.process.logs("WARNING", "torn")
        assert order(client, "a3")["order_id"] == 4


# --------------------------------------------------------------------------------- the disk is full


@pytest.mark.skipif(
    sys.platform == "win32", reason="needs the limit on a file's size that POSIX systems have"
)
def test_when_nothing_can_be_written_nothing_is_answered_and_all_that_was_answered_is_there(
    tmp_path,
):
    program = tmp_path / "full_disk.py"
    program.write_text(
        FULL.format(house=str(HOUSE), program=str(HOUSE / "exchange_server.py")),
        encoding="utf-8",
    )
    answered: list[str] = []
    with running(str(program), "4000", *FREE, "--no-export", folder=tmp_path) as process:
        house = Exchange(process)
        with dial(house.orders) as client, pytest.raises(ConnectionClosed) as closed:
            for number in range(1_000):
                assert order(client, f"a{number}", price=99.0)["type"] in (
                    "order_accepted",
                    "order_rejected",
                )
                answered.append(f"a{number}")
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "market_halted")
        assert process.ends() == 5
        assert process.logs("CRITICAL", "halted", "journal cannot be written")
    assert 5 < len(answered) < 100
    with exchange(tmp_path) as again, dial(again.orders) as client:
        known = [
            ask(client, type="order_status", trader_id="alice", client_order_id=name)["status"]
            for name in answered
        ]
        assert "unknown" not in known
