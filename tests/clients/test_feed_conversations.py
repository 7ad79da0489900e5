"""Conversations of each kind of reader with a feed, line by line: what happens, what it asks, where
it is then.

Together they come by every case of the table, and a case that is altered in any way alters them.
"""

from __future__ import annotations

import pytest

from botpit.clients import feed_session
from botpit.clients.feed_session import FeedSession, Need, State
from botpit.clients.feed_table import STEPS, Case
from tests.socketless.feed_pair import NotedSteps

TRADES = ("trades", "SIM")

CONVERSATIONS = {
    Need.PRESENT: """
    opens                | subscribe        | JOINING
    overdue              | subscribe        | JOINING
    snapshot m1 10 has 3 | taken            | LIVE
    trade 4 at 11        | taken            | LIVE
    snapshot m1 12 has 4 | taken            | LIVE
    trade 6 at 13        | taken, subscribe | REFRESHING
    trade 8 at 15        | taken            | REFRESHING
    overdue              | subscribe        | REFRESHING
    snapshot m1 16 has 8 | taken            | LIVE
    doubt                | subscribe        | REFRESHING
    doubt                | -                | REFRESHING
    snapshot m2 2 has 1  | taken            | LIVE
    snapshot m3 1 has 0  | taken            | LIVE
    lost                 | -                | LOST
    trade 1 at 2         | left             | LOST
    opens                | subscribe        | JOINING
    lost                 | -                | LOST
    opens                | subscribe        | JOINING
    trade 1 at 2         | left             | JOINING
    snapshot m3 4 has 1  | taken            | LIVE
    doubt                | subscribe        | REFRESHING
    lost                 | -                | LOST
    opens                | subscribe        | JOINING
    snapshot m4 1 has 0  | taken            | LIVE
    """,
    Need.CATCH_UP: """
    opens                      | subscribe                  | JOINING
    lost                       | -                          | LOST
    opens                      | subscribe                  | JOINING
    snapshot m1 10 has 3       | taken                      | LIVE
    answer subscribe           | -                          | LIVE
    snapshot m1 10 has 3       | taken                      | LIVE
    trade 4 at 11              | taken                      | LIVE
    lost                       | -                          | LOST
    trade 5 at 12              | left                       | LOST
    opens                      | subscribe, resume 12 of m1 | FENCED
    lost                       | -                          | LOST
    opens                      | subscribe, resume 12 of m1 | FENCED
    snapshot m1 13 has 6       | left                       | FENCED
    trade 7 at 14              | left                       | FENCED
    answer subscribe           | -                          | FENCED
    snapshot m1 14 has 7       | left                       | FENCED
    answer resume              | -                          | LIVE
    trade 5 at 12              | taken                      | LIVE
    trade 6 at 13              | taken                      | LIVE
    trade 7 at 14              | taken                      | LIVE
    snapshot m1 14 has 7       | taken                      | LIVE
    look now                   | resume 15 of m1            | LIVE
    trade 8 at 15              | taken                      | LIVE
    answer resume              | -                          | LIVE
    snapshot m1 15 has 8       | taken                      | LIVE
    look later                 | resume 16 of m1            | LIVE
    refuse resume too_old 40   | subscribe                  | REFRESHING
    refuse resume too_old 40   | -                          | REFRESHING
    trade 9 at 41              | taken                      | REFRESHING
    answer subscribe           | -                          | REFRESHING
    snapshot m1 41 has 9       | taken                      | LIVE
    trade 11 at 43             | taken, subscribe           | REFRESHING
    look last                  | resume 44 of m1            | REFRESHING
    refuse resume too_old 50   | subscribe                  | REFRESHING
    snapshot m2 1 has 0        | taken                      | LIVE
    snapshot m3 1 has 0        | taken                      | LIVE
    trade 2 at 2               | taken, subscribe           | REFRESHING
    lost                       | -                          | LOST
    opens                      | subscribe, resume 3 of m3  | FENCED
    refuse resume other_market | subscribe                  | REFRESHING
    snapshot m4 2 has 0        | taken                      | LIVE
    """,
    Need.RECORD: """
    opens                    | subscribe             | JOINING
    snapshot m1 10 has 3     | taken                 | LIVE
    trade 4 at 11            | taken                 | LIVE
    snapshot m1 12 has 5     | taken                 | LIVE
    pause                    | -                     | PAUSED
    trade 6 at 13            | left                  | PAUSED
    snapshot m1 13 has 6     | left                  | PAUSED
    go on                    | resume 13 of m1       | FENCED
    trade 7 at 14            | left                  | FENCED
    answer resume            | -                     | LIVE
    trade 6 at 13            | taken                 | LIVE
    trade 7 at 14            | taken                 | LIVE
    snapshot m1 14 has 7     | taken                 | LIVE
    lost                     | -                     | LOST
    opens                    | subscribe             | JOINING
    snapshot m1 20 has 9     | left, resume 15 of m1 | FENCED
    answer subscribe         | -                     | FENCED
    snapshot m1 20 has 9     | left                  | FENCED
    refuse resume too_old 18 | resume 18 of m1       | FENCED
    refuse resume too_old 19 | resume 21 of m1       | FENCED
    refuse resume too_old 25 | -                     | LIVE
    trade 12 at 26           | taken                 | LIVE
    pause                    | -                     | PAUSED
    lost                     | -                     | PAUSED
    opens                    | subscribe             | JOINING
    lost                     | -                     | LOST
    opens                    | subscribe             | JOINING
    snapshot m2 3 has 1      | left, resume 1 of m2  | FENCED
    snapshot m3 2 has 1      | left, resume 1 of m3  | FENCED
    lost                     | -                     | LOST
    opens                    | subscribe             | JOINING
    snapshot m3 2 has 1      | left, resume 1 of m3  | FENCED
    answer resume            | -                     | LIVE
    trade 1 at 1             | taken                 | LIVE
    snapshot m4 1 has 1      | left, resume 1 of m4  | FENCED
    answer resume            | -                     | LIVE
    pause                    | -                     | PAUSED
    snapshot m5 1 has 1      | left                  | PAUSED
    go on                    | resume 1 of m5        | FENCED
    """,
    Need.RELAY: """
    opens                      | subscribe                        | FENCED
    lost                       | -                                | LOST
    opens                      | subscribe                        | FENCED
    overdue                    | subscribe                        | FENCED
    snapshot m1 10 has 3       | left                             | FENCED
    answer subscribe           | -                                | REFRESHING
    overdue                    | subscribe                        | FENCED
    answer subscribe           | -                                | REFRESHING
    snapshot m1 10 has 3       | taken                            | LIVE
    trade 4 at 11              | taken                            | LIVE
    snapshot m1 11 has 4       | left                             | LIVE
    doubt                      | subscribe                        | REFRESHING
    trade 5 at 12              | taken                            | REFRESHING
    snapshot m1 12 has 5       | taken                            | LIVE
    trade 7 at 14              | left, subscribe, resume 13 of m1 | FENCED
    trade 8 at 15              | left                             | FENCED
    answer subscribe           | -                                | FENCED
    answer resume              | -                                | REFRESHING
    trade 6 at 13              | taken                            | REFRESHING
    trade 8 at 15              | left, subscribe, resume 14 of m1 | FENCED
    hole                       | subscribe, resume 14 of m1       | FENCED
    hole                       | subscribe, resume 14 of m1       | FENCED
    answer resume              | -                                | REFRESHING
    snapshot m1 13 has 6       | taken                            | LIVE
    doubt                      | subscribe                        | REFRESHING
    snapshot m2 2 has 1        | taken                            | LIVE
    snapshot m3 1 has 0        | taken                            | LIVE
    lost                       | -                                | LOST
    opens                      | subscribe, resume 2 of m3        | FENCED
    refuse resume other_market | subscribe                        | FENCED
    answer subscribe           | -                                | REFRESHING
    lost                       | -                                | LOST
    opens                      | subscribe                        | FENCED
    answer subscribe           | -                                | REFRESHING
    snapshot m4 1 has 0        | taken                            | LIVE
    doubt                      | subscribe                        | REFRESHING
    overdue                    | subscribe, resume 2 of m4        | FENCED
    answer resume              | -                                | REFRESHING
    lost                       | -                                | LOST
    opens                      | subscribe, resume 2 of m4        | FENCED
    overdue                    | subscribe, resume 2 of m4        | FENCED
    """,
}


class Talk:
    """A session, and what it is told in the words of a conversation."""

    def __init__(self, need: Need) -> None:
        self.session = FeedSession(need, lambda: ["trades"])
        self._ids: dict[str, str | int | None] = {}

    def line(self, words: str) -> list[str]:
        """What the session makes of it, as in `trade 4 at 11 | taken | LIVE`."""
        taken = self._happens(*words.split())
        asked = [self._request(each) for each in self.session.requests()]
        outcome = {None: [], True: ["taken"], False: ["left"]}[taken]
        return [words, ", ".join([*outcome, *asked]) or "-", self.session.state.name]

    def _request(self, request: object) -> str:
        self._ids[request.type] = request.request_id
        return (
            "subscribe"
            if request.type == "subscribe"
            else f"resume {request.from_seq} of {request.market_id}"
        )

    def _happens(self, verb: str, *words: str) -> bool | None:
        session = self.session
        match verb, *words:
            case "opens", *_:
                session.opened()
            case "trade", number, _, seq:
                return session.event(TRADES, int(number), int(seq))
            case "snapshot", market_id, seq, _, trades:
                return session.snapshot(market_id, int(seq), {TRADES: int(trades)})
            case "answer", "subscribe":
                session.subscribed(self._ids["subscribe"])
            case "answer", "resume":
                session.resumed(self._ids["resume"])
            case "refuse", kind, reason, *oldest_seq:
                details = dict(zip(["oldest_seq"], map(int, oldest_seq), strict=False))
                session.refused(self._ids[kind], reason, details)
            case "look", word:
                session.look(word)
            case "go", "on":
                session.end_pause()
            case "doubt", *_:
                session.refresh()
            case _:
                getattr(session, verb)()
        return None


@pytest.mark.parametrize("need", CONVERSATIONS, ids=lambda need: need.name)
def test_a_conversation_goes_line_by_line_as_it_stands_here(need):
    talk = Talk(need)
    for line in CONVERSATIONS[need].strip().splitlines():
        expected = [column.strip() for column in line.split("|")]
        assert talk.line(expected[0]) == expected


def test_the_conversations_come_by_every_case_of_the_table(monkeypatch):
    seen: set[Case] = set()
    monkeypatch.setattr(feed_session, "STEPS", NotedSteps(seen.add))
    for need, lines in CONVERSATIONS.items():
        talk = Talk(need)
        for line in lines.strip().splitlines():
            talk.line(line.split("|")[0].strip())
    assert [case for case in STEPS if case not in seen] == []


@pytest.mark.parametrize("case", STEPS, ids=lambda case: "-".join(each.name for each in case))
def test_a_case_that_is_altered_changes_its_conversation(monkeypatch, case):
    do, then = STEPS[case]
    others = [(do, state) for state in State if state is not then]
    others += [(do[:at] + do[at + 1 :], then) for at in range(len(do))]
    for step in others:
        monkeypatch.setattr(feed_session, "STEPS", {**STEPS, case: step})
        with pytest.raises((AssertionError, LookupError)):
            test_a_conversation_goes_line_by_line_as_it_stands_here(case[0])
