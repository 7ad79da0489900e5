"""Real order flow: the first 10,000 lines of a Nasdaq day through the engine, against the venue's
own books and fills.
"""

import os
from pathlib import Path

import pytest

from proofs.nasdaq_day import EngineDay, read_lines

HOME = Path(__file__).resolve().parent.parent
DAY = Path(
    os.environ.get(
        "BOTPIT_NASDAQ_DAY", HOME.parent / "shared" / "data" / "goog_2012-06-21_commands.txt.xz"
    )
)


@pytest.mark.skipif(
    not DAY.is_file(),
    reason=f"the Nasdaq day is not there ({DAY.name}; see proofs/nasdaq_day.py)",
)
def test_ten_thousand_lines_of_a_nasdaq_day_give_the_venues_books_and_fills():
    score = EngineDay().run(read_lines(DAY, 10_000))
    assert (score.books_right, score.books) == (4_481, 4_481), score
    assert (score.incoming_right, score.incoming) == (152, 152), score
    assert score.crossing_adds == 0, score


def test_another_queue_order_is_seen_as_a_difference():
    """Two orders at one price, and a fill list that names the later one first."""
    day = EngineDay()
    score = day.run(
        line.split(",")
        for line in ["N,1,1,5800000,5", "N,2,1,5800000,5", "X,-1,5800000,5,2:5:5800000"]
    )
    assert (score.incoming_right, score.incoming) == (0, 1)
    assert "line 3" in score.first_wrong
