"""Whether the engine that runs is the compiled one, and whether that was made of the sources that lie beside it.

An extension module is imported before the source of the same name. Edited since the build, the source would be read by
everybody and run by nobody: so a start compares both, and refuses. The compiled engine is optional: `make fast` builds it.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

STAMP = "botpit/compiled.stamp"
"""The fingerprint of the sources the extensions were made of; there is one while there are extensions."""
_ROOMS = ("botpit/core", "botpit/core/risk", "botpit/venue/gateway", "botpit/history/journal")
_FILES = ("botpit/venue/rates.py", "botpit/wire/sequencer.py")


class StaleExtension(ImportError):
    """The compiled engine was made of other sources than those beside it."""


def fingerprint(home: Path) -> str:
    """Of all sources of the rooms that have compiled modules, and of this Python's way to name them."""
    from hashlib import sha256

    digest = sha256(EXTENSION_SUFFIXES[0].encode())
    for path in (*(home / file for file in _FILES), *(path for room in _ROOMS for path in sorted((home / room).glob("*.py")))):
        digest.update(b"\0" + path.relative_to(home).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def refuse_stale() -> None:
    """Raises StaleExtension. Costs one look at a folder while nothing is compiled."""
    home = Path(__file__).parent.parent
    try:
        stamp = (home / STAMP).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return
    if stamp != fingerprint(home):
        raise StaleExtension(
            "the compiled engine is not of the sources beside it: run `make fast` again, or `make clean` to do without"
        )


def engine() -> str:
    """`compiled` or `pure`: which one is imported here."""
    name = "botpit.core.exchange"
    module = sys.modules.get(name)
    spec = module.__spec__ if module is not None else find_spec(name)
    origin = spec.origin if spec is not None else None
    return "compiled" if (origin or "").endswith(tuple(EXTENSION_SUFFIXES)) else "pure"
