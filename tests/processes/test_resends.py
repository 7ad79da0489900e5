"""Orders sent again over cut connections and restarts are one order each: proofs/resends.py, in short."""

import asyncio

import pytest

from proofs.resends import CUTS, watch

ORDERS, ORDERS_PER_RESTART = 1_000, 250


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return asyncio.run(
        watch(
            ORDERS,
            tmp_path_factory.mktemp("resends"),
            seed=1,
            orders_per_restart=ORDERS_PER_RESTART,
        )
    )


def test_a_thousand_ids_are_a_thousand_orders(outcome):
    assert outcome.differences == []
    assert outcome.orders == outcome.ids == ORDERS


def test_they_were_sent_again_over_connections_cut_in_every_way_and_over_restarts(outcome):
    assert outcome.sent > 2 * ORDERS and outcome.repeated > 0, outcome
    assert set(outcome.cuts) == set(CUTS), outcome
    assert outcome.deaths["killed -9"] > 0 and outcome.deaths["stopped"] > 0, outcome


def test_an_exchange_that_forgets_ids_is_found_out(tmp_path):
    """Each time an order is sent again after a restart: sooner or later one is, however fast the machine."""

    def is_found_out(seed: int) -> bool:
        folder = tmp_path / str(seed)
        folder.mkdir()
        run = watch(
            ORDERS, folder, seed=seed, plant="forget-ids", orders_per_restart=ORDERS_PER_RESTART
        )
        return not asyncio.run(run).is_exact()

    assert any(map(is_found_out, range(1, 6)))
