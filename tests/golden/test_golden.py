"""Everything the exchange says, to the last byte: answers, private events, both feeds, journal,
state and events.

The hashes in hashes.json are from the tree before the exchange was made faster. Where a change of
behaviour is wanted, the change says so and why, and `python -m tests.golden.test_golden` prints the
new hashes.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import pytest

from tests.golden.flows import FLOWS
from tests.golden.market import Market
from tests.socketless.rules import POOR, RICH, TWO_MARKETS

HASHES = Path(__file__).with_name("hashes.json")
FRAMES = 6_000
SEED = 3
RULES = {"squeeze": POOR + TWO_MARKETS, "messy": POOR + TWO_MARKETS}


async def _hashes(name: str, folder: Path) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        market = Market(folder / "market", RULES.get(name, RICH), monkeypatch)
        market.play(FLOWS[name](FRAMES, SEED))
        return market.hashes()


@pytest.mark.parametrize("name", FLOWS)
def test_what_the_exchange_says_is_what_it_always_said(name: str, tmp_path: Path) -> None:
    kept = json.loads(HASHES.read_text())[name]
    assert asyncio.run(_hashes(name, tmp_path)) == kept


def test_another_flow_has_other_hashes(tmp_path: Path) -> None:
    """The hashes would see a difference: one lot more in one order changes them all but the house's."""

    async def changed() -> dict[str, str]:
        with pytest.MonkeyPatch.context() as monkeypatch:
            market = Market(tmp_path / "market", RICH, monkeypatch)
            flow = FLOWS["crossing"](FRAMES, SEED)
            flow[100] = flow[100].replace(b'"qty":', b'"qty":1')
            market.play(flow)
            return market.hashes()

    kept = json.loads(HASHES.read_text())["crossing"]
    same = {what for what, value in asyncio.run(changed()).items() if value == kept[what]}
    assert same == {"house"}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        json.dump(
            {name: asyncio.run(_hashes(name, Path(folder) / name)) for name in FLOWS},
            sys.stdout,
            indent=2,
        )
        print()
