"""What a process may take of the machine: set once, never lifted, and refused by name when it cannot be kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from botpit.io import limits
from botpit.io.limits import CPU_GRACE_S, LEAST_MEMORY_MB, LEAST_OPEN_FILES, LimitError, Limits
from tests.docs.page import SPEC, Page, key

HOUSE = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0


def told(lines: str) -> list[object]:
    """What a process of its own says: limits outlast a test."""
    program = f"import json, resource as r\nfrom botpit.io.limits import *\nsaid = []\n{lines}\nprint(json.dumps(said))"
    argv = [sys.executable, "-c", program]
    done = subprocess.run(
        argv, cwd=HOUSE, capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    said: list[object] = json.loads(done.stdout)
    return said


def test_limits_are_set_for_good():
    soft_and_hard = told("""
Limits(cpu_s=1_000, memory_mb=500, open_files=40).impose()
said = [r.getrlimit(each) for each in (r.RLIMIT_CPU, r.RLIMIT_AS, r.RLIMIT_NOFILE)]
""")
    assert soft_and_hard == [[1_000, 1_000 + CPU_GRACE_S], [500 * 2**20] * 2, [40, 40]]


def test_without_a_value_nothing_is_limited():
    assert told("""
kinds = (r.RLIMIT_CPU, r.RLIMIT_AS, r.RLIMIT_NOFILE)
before = [r.getrlimit(each) for each in kinds]
Limits().impose()
said = [before == [r.getrlimit(each) for each in kinds]]
""") == [True]


def test_the_hard_limit_of_the_process_bounds_what_can_be_asked_for():
    assert told("""
r.setrlimit(r.RLIMIT_NOFILE, (50, 50)); r.setrlimit(r.RLIMIT_CPU, (90, 100)); r.setrlimit(r.RLIMIT_AS, (2**30, 2**30))
for limits in (Limits(open_files=51), Limits(cpu_s=101), Limits(memory_mb=1_025)):
    try:
        limits.impose()
    except LimitError as error:
        said.append(str(error).split(";")[0])
Limits(open_files=50, cpu_s=98, memory_mb=1_024).impose()
said.append([r.getrlimit(each) for each in (r.RLIMIT_NOFILE, r.RLIMIT_CPU, r.RLIMIT_AS)])
""") == [
        "open_files 51: this process may have at most 50",
        "cpu_s 101: this process may have at most 100",
        "memory_mb 1025: this process may have at most 1024",
        [[50, 50], [98, 100], [2**30, 2**30]],
    ]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (Limits(cpu_s=0), "cpu_s 0: a bot needs at least 1"),
        (Limits(memory_mb=LEAST_MEMORY_MB - 1), "memory_mb 63: a bot needs at least 64"),
        (Limits(memory_mb=-5), "memory_mb -5: a bot needs at least 64"),
        (
            Limits(open_files=LEAST_OPEN_FILES - 1),
            "open_files 31: a bot needs at least 32",
        ),
        (Limits(memory_mb=10**30), f"memory_mb {10**30}: "),
    ],
    ids=str,
)
def test_what_no_bot_or_no_system_can_live_with_is_refused(value, sentence):
    with pytest.raises(LimitError) as refused:
        value.impose()
    assert str(refused.value).startswith(sentence)


def test_a_system_without_limits_is_told_so(monkeypatch):
    monkeypatch.setattr(limits, "resource", None)
    Limits().impose()
    with pytest.raises(LimitError, match=r"^cpu_s: limits need a POSIX system"):
        Limits(cpu_s=1).impose()


def test_the_least_values_are_documented():
    rows = {
        key(row): row["meaning"]
        for row in Page(SPEC.read_text(encoding="utf-8")).rows("`bot_client.py`")
    }
    assert f"at least {LEAST_MEMORY_MB};" in rows["--max-memory-mb"]
    assert rows["--max-open-files"].endswith(f"at least {LEAST_OPEN_FILES}")
    assert CPU_GRACE_S == 5 and "Five more seconds" in rows["--max-cpu-s"]
