"""The disk as a flush and a start use it: each change to a recorded file goes through here, so that a proof
can lose it.

Only these few operations exist, each with the guarantee that the sheets build on: bytes appended behind those
that are known, a file replaced as a whole, one cut back to its record.
"""

from __future__ import annotations

import os
from pathlib import Path

import aiofiles

from botpit.io.files import open_private


class Disk:
    """The real one. Every method raises OSError."""

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    async def append(self, path: Path, size: int, data: bytes) -> int:
        """Append `data` to a file of `size` bytes, made with its folder if need be; return the bytes found.

        When those are not `size`, nothing is appended.
        """
        path.parent.mkdir(mode=0o700, exist_ok=True)
        async with aiofiles.open(path, "ab", opener=open_private) as file:
            found = await file.tell()
            if found == size:
                await file.write(data)
        return found

    async def replace(self, path: Path, data: bytes) -> None:
        """Put `data` under this name, all of it or nothing, whenever we are killed."""
        draft = path.with_name(f"{path.name}.new")
        async with aiofiles.open(draft, "wb", opener=open_private) as file:
            await file.write(data)
        os.replace(draft, path)

    def cut(self, path: Path, size: int) -> None:
        """Shorten a file to `size` bytes."""
        with open(path, "r+b", opener=open_private) as file:
            file.truncate(size)


REAL_DISK = Disk()
