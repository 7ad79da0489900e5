"""How a feed session gets from state to state: which reader, where, on what, does what, and is then where.

The essay is in `feed_session.py`. An input without a row changes nothing: a snapshot behind a fence, an
answer that nobody waits for. A snapshot of another market has rows of its own wherever a snapshot is looked
at, because one market may follow another behind the same address, and a relay's readers learn of it on a
connection that never broke.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from itertools import product
from typing import NamedTuple


class Need(Enum):
    """What a reader wants of a feed."""

    PRESENT = "the market as it is"
    CATCH_UP = "the market as it is, and after a lost connection first what was missed"
    RECORD = "each event once and in order, and the number of those that are lost"
    RELAY = "events without a hole, to pass on"


class State(Enum):
    LOST = "there is no connection"
    JOINING = "the first snapshot of this connection is awaited"
    FENCED = "all is left until the last request is answered"
    REFRESHING = "messages are taken, and a fresh snapshot is on its way"
    LIVE = "messages are taken, and nothing is owed"
    PAUSED = "the reader cannot take more, and will ask for what it leaves"


class Input(Enum):
    """What can happen to a session."""

    OPENED = "a connection, and no market to go on with"
    BACK = "a connection, and a market to go on with"
    LOST = "the connection is lost"
    FIRST_MARKET = "a snapshot, and no market to compare it with"
    SNAPSHOT = "a snapshot of the market that is known"
    ANOTHER_MARKET = "a snapshot of another market"
    ANSWERED = "the awaited answer"
    REFUSED = "what was asked for is refused, and there is something else to ask for"
    NOTHING_LEFT = "what was asked for is refused, and nothing is left to ask for"
    HOLE = "something is missing or cannot be read"
    DOUBT = "a fresh snapshot is wanted for some other reason"
    OVERDUE = "an answer takes too long"
    PAUSE = "the reader cannot take more"
    PAUSE_ENDS = "the reader can take more"


class Do(Enum):
    """START: continue from the newest snapshot. BEGIN: take its market from the first event on.

    FORGET: there is no market to go on with.
    """

    SUBSCRIBE = auto()
    RESUME = auto()
    START = auto()
    BEGIN = auto()
    FORGET = auto()


class Row(NamedTuple):
    """What a reader of this need does, in these states and on these inputs, and its next state."""

    need: Need
    states: tuple[State, ...]
    inputs: tuple[Input, ...]
    do: tuple[Do, ...]
    then: State


_LOST, _JOINING, _FENCED, _REFRESHING, _LIVE, _PAUSED = ((state,) for state in State)
TAKING = (State.REFRESHING, State.LIVE)
"""The states in which events are taken."""
_OPENED = (Input.OPENED, Input.BACK)
_NEXT = (Input.SNAPSHOT, Input.ANOTHER_MARKET)
_AGAIN = (Do.SUBSCRIBE, Do.RESUME)
_BEGIN = (Do.BEGIN, Do.RESUME)

ROWS = (
    Row(Need.PRESENT, _LOST, _OPENED, (Do.SUBSCRIBE,), State.JOINING),
    Row(Need.PRESENT, _JOINING, (Input.FIRST_MARKET, *_NEXT), (Do.START,), State.LIVE),
    Row(Need.PRESENT, TAKING, _NEXT, (Do.START,), State.LIVE),
    Row(Need.PRESENT, _LIVE, (Input.HOLE, Input.DOUBT), (Do.SUBSCRIBE,), State.REFRESHING),
    Row(Need.PRESENT, _JOINING, (Input.OVERDUE,), (Do.SUBSCRIBE,), State.JOINING),
    Row(Need.PRESENT, _REFRESHING, (Input.OVERDUE,), (Do.SUBSCRIBE,), State.REFRESHING),
    Row(Need.PRESENT, _JOINING + TAKING, (Input.LOST,), (), State.LOST),
    #
    Row(Need.CATCH_UP, _LOST, (Input.OPENED,), (Do.SUBSCRIBE,), State.JOINING),
    Row(Need.CATCH_UP, _JOINING, (Input.FIRST_MARKET,), (Do.START,), State.LIVE),
    Row(Need.CATCH_UP, _LOST, (Input.BACK,), _AGAIN, State.FENCED),
    Row(Need.CATCH_UP, _FENCED, (Input.ANSWERED,), (), State.LIVE),
    Row(Need.CATCH_UP, _FENCED + TAKING, (Input.REFUSED,), (Do.SUBSCRIBE,), State.REFRESHING),
    Row(Need.CATCH_UP, TAKING, _NEXT, (Do.START,), State.LIVE),
    Row(Need.CATCH_UP, _LIVE, (Input.HOLE,), (Do.SUBSCRIBE,), State.REFRESHING),
    Row(Need.CATCH_UP, _JOINING + _FENCED + TAKING, (Input.LOST,), (), State.LOST),
    #
    Row(Need.RECORD, _LOST, _OPENED, (Do.SUBSCRIBE,), State.JOINING),
    Row(Need.RECORD, _JOINING, (Input.FIRST_MARKET,), (Do.START,), State.LIVE),
    Row(Need.RECORD, _JOINING, (Input.SNAPSHOT,), (Do.RESUME,), State.FENCED),
    Row(Need.RECORD, _FENCED, (Input.ANSWERED, Input.NOTHING_LEFT), (), State.LIVE),
    Row(Need.RECORD, _FENCED, (Input.REFUSED,), (Do.RESUME,), State.FENCED),
    Row(Need.RECORD, _LIVE, (Input.SNAPSHOT,), (Do.START,), State.LIVE),
    Row(Need.RECORD, _JOINING + _FENCED + _LIVE, (Input.ANOTHER_MARKET,), _BEGIN, State.FENCED),
    Row(Need.RECORD, _LIVE, (Input.PAUSE,), (), State.PAUSED),
    Row(Need.RECORD, _PAUSED, (Input.ANOTHER_MARKET,), (Do.BEGIN,), State.PAUSED),
    Row(Need.RECORD, _PAUSED, (Input.PAUSE_ENDS,), (Do.RESUME,), State.FENCED),
    Row(Need.RECORD, _PAUSED, (Input.BACK,), (Do.SUBSCRIBE,), State.JOINING),
    Row(Need.RECORD, _JOINING + _FENCED + _LIVE, (Input.LOST,), (), State.LOST),
    #
    Row(Need.RELAY, _LOST, (Input.OPENED,), (Do.SUBSCRIBE,), State.FENCED),
    Row(Need.RELAY, _LOST, (Input.BACK,), _AGAIN, State.FENCED),
    Row(Need.RELAY, _FENCED, (Input.ANSWERED,), (), State.REFRESHING),
    Row(Need.RELAY, _FENCED, (Input.REFUSED,), (Do.FORGET, Do.SUBSCRIBE), State.FENCED),
    Row(Need.RELAY, _REFRESHING, (Input.FIRST_MARKET, *_NEXT), (Do.START,), State.LIVE),
    Row(Need.RELAY, _LIVE, (Input.ANOTHER_MARKET,), (Do.START,), State.LIVE),
    Row(Need.RELAY, _LIVE, (Input.DOUBT,), (Do.SUBSCRIBE,), State.REFRESHING),
    Row(Need.RELAY, _FENCED + TAKING, (Input.HOLE,), _AGAIN, State.FENCED),
    Row(Need.RELAY, _FENCED + _REFRESHING, (Input.OVERDUE,), _AGAIN, State.FENCED),
    Row(Need.RELAY, _FENCED + TAKING, (Input.LOST,), (), State.LOST),
)
Case = tuple[Need, State, Input]


def steps(rows: Iterable[Row]) -> dict[Case, tuple[tuple[Do, ...], State]]:
    """The rows case by case. Two rows for one case are a mistake."""
    found: dict[Case, tuple[tuple[Do, ...], State]] = {}
    for row in rows:
        for state, what in product(row.states, row.inputs):
            assert (row.need, state, what) not in found, (row, state, what)
            found[row.need, state, what] = row.do, row.then
    return found


STEPS = steps(ROWS)
