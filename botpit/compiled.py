"""Whether the running engine is compiled, and whether it was compiled from the sources beside it.

Python imports an extension module before the source of the same name. A source edited after the build would
be read by people and never run: so a start compares the two, and refuses. The compiled engine is optional:
`make fast` builds it.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

STAMP = "botpit/compiled.stamp"
"""The file with the fingerprint of the compiled sources; it exists while there are extensions."""
ROOMS = ("botpit/core", "botpit/core/risk", "botpit/venue/gateway", "botpit/history/journal")
FILES = ("botpit/venue/rates.py", "botpit/wire/sequencer.py")


class StaleExtension(ImportError):
    """The engine was compiled from other sources than those beside it."""


def fingerprint(home: Path) -> str:
    """The hash of all sources in rooms with compiled modules, and of this Python's suffix for extensions."""
    from hashlib import sha256

    digest = sha256(EXTENSION_SUFFIXES[0].encode())
    paths = [home / file for file in FILES]
    for room in ROOMS:
        paths += sorted((home / room).glob("*.py"))
    for path in paths:
        name = path.relative_to(home).as_posix().encode()
        digest.update(b"\0" + name + b"\0" + path.read_bytes())
    return digest.hexdigest()


def refuse_stale() -> None:
    """Raises StaleExtension. Costs one failed open while nothing is compiled."""
    home = Path(__file__).parent.parent
    try:
        stamp = (home / STAMP).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return
    if stamp != fingerprint(home):
        raise StaleExtension(
            "the engine was compiled from other sources than those beside it:"
            " run `make fast` again, or `make clean` to run the sources"
        )


def engine() -> str:
    """`compiled` or `pure`: which one this process imports."""
    name = "botpit.core.exchange"
    module = sys.modules.get(name)
    spec = find_spec(name) if module is None else module.__spec__
    if spec is None or spec.origin is None:
        return "pure"
    return "compiled" if spec.origin.endswith(tuple(EXTENSION_SUFFIXES)) else "pure"
