"""The wheel with the compiled engine in it, for one platform and one Python. Off unless asked for:

HATCH_BUILD_HOOK_ENABLE_CUSTOM=true python -m hatchling build -t wheel
"""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledWheel(BuildHookInterface[Any]):
    """Builds like `make fast`, and puts extensions and stamp beside the sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        fast = run_path(str(Path(self.root) / "tools" / "fast.py"))
        needed = fast["missing"]()
        if needed:
            raise RuntimeError(needed)
        for path in fast["build"]():
            build_data["force_include"][str(path)] = path.relative_to(
                fast["WORKSHOP"]
            ).as_posix()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
