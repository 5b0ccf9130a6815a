"""Lets a disk run full under each command, at every stage of its work, and looks at what is left.

A small company is copied to a file system of its own with room for a little more than it holds; each try leaves the
command a different rest, from nothing to nearly what it needs, and the last try makes the file system read-only. Run
with ``python benchmarks/full_disk.py --commands score train promote keep daily --tries 12``; exits with 1 where

- a command that failed gave anything but its message (what, where, do), or took the fault for something else,
- the champion, the scores or the store are not whole afterwards, or a temporary file is left after the next run, or
- the next run, with room, fails, or ends otherwise than one that was never disturbed.

The file systems are tmpfs in a namespace of the process, by ``unshare`` of util-linux: Linux only, no root needed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from churnml.config import load_config
from kill_windows import Commands, command_of, commands, faults, probabilities
from small_company import small_company

_INSIDE = "CHURNML_OWN_NAMESPACE"
_ROOM = 64 << 20
_FORESEEN = ("The disk is full", "may not be read or written")


class Disk:
    """A file system of its own for one company."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()

    def holding(self, company: Path, room: int) -> None:
        """Make it anew, with a company on it and so many bytes besides."""
        self.end()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "none", str(self.place)], check=True)
        shutil.copytree(company, self.place, dirs_exist_ok=True)
        self.resize(room)

    def resize(self, room: int) -> None:
        """Leave so many bytes."""
        self._remount(f"rw,size={self.used() + room}")

    def read_only(self) -> None:
        """Let nobody write."""
        self._remount("ro")

    def used(self) -> int:
        """Return the bytes in use."""
        told = os.statvfs(self.place)
        return (told.f_blocks - told.f_bfree) * told.f_frsize

    def filled_by(self, work: Callable[[], object]) -> int:
        """Do some work, and return the bytes that it held at most."""
        before, most, done = self.used(), [0], threading.Event()

        def watch() -> None:
            while not done.wait(0.002):
                most.append(self.used() - before)

        watcher = threading.Thread(target=watch)
        watcher.start()
        work()
        done.set()
        watcher.join()
        return max(most)

    def end(self) -> None:
        """Remove it, if it is there."""
        if self.place.is_mount():
            subprocess.run(["umount", "--lazy", str(self.place)], check=True)

    def _remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.place)], check=True)


def attempt(disk: Disk, base: Path, name: str, churnml: Commands, tries: int) -> dict[str, Any]:
    """Run one command with ever more room, then without leave to write."""
    path = disk.place / "small.yaml"
    disk.holding(base, _ROOM)
    config, command = load_config(path), command_of(load_config(path), path, name)
    needed = disk.filled_by(lambda: churnml.run(*command))
    twin = probabilities(config)
    wrong: list[str] = []
    failed = 0
    for number in range(tries + 1):
        free = needed * number // tries
        disk.holding(base, free)
        if number == tries:
            disk.read_only()
        room = "read-only" if number == tries else f"{free >> 10} kB"
        told = base.parent / "told"
        code = churnml.code_of(command, told)
        said = told.read_text(encoding="utf-8")
        failed += code != 0
        found = _message(name, code, said)
        disk.resize(_ROOM)
        try:
            found += faults(config)
            again = churnml.code_of(command, told)
            if again:
                found.append(f"the next run fails: {told.read_text(encoding='utf-8')[-600:]}")
            found += faults(config)
            if name != "train" and not probabilities(config).equals(twin):
                found.append("the scores are not those of an undisturbed run")
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
        found += [f"left: {part.name}" for part in config.workspace_dir.rglob(".*.part")]
        wrong += [f"{name}, {room}: {one}" for one in found]
    disk.end()
    print(f"{name}: {failed} of {tries + 1} failed, {len(wrong)} faults; it writes {needed >> 10} kB", file=sys.stderr)
    return {"tries": tries + 1, "failed": failed, "wrong": wrong}


def _message(name: str, code: int, said: str) -> list[str]:
    """Return what is wrong with what a command said."""
    if code == 0:
        return []
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    if "Traceback" in plain or not any(words in plain for words in _FORESEEN):
        return [f"exit code {code}: {plain[-700:]}"]
    lacking = [word for word in ("where:", "do:") if word not in plain] if name != "daily" else []
    return [f"no {' and no '.join(lacking)} in {plain[-700:]}"] if lacking else []


def main() -> int:
    """Fill, look, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", nargs="+", default=["score", "train", "promote", "keep", "daily"])
    parser.add_argument("--tries", type=int, default=12, help="of each command, with different room")
    parser.add_argument("--accounts", type=int, default=120)
    parser.add_argument("--folder", type=Path, help="where the company is kept, and taken from the next time")
    given = parser.parse_args()
    if _INSIDE not in os.environ:
        os.environ[_INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--map-root-user", "--mount", sys.executable, *sys.argv])
    with tempfile.TemporaryDirectory() as temporary, commands() as churnml:
        base = given.folder or Path(temporary, "base")
        if not base.exists():
            small_company(base, given.accounts, daily={"retrain": False})
        disk = Disk(Path(temporary, "disk"))
        try:
            report = {name: attempt(disk, base, name, churnml, given.tries) for name in given.commands}
        finally:
            disk.end()
    print(json.dumps(report, indent=1))
    return int(any(one["wrong"] for one in report.values()))


if __name__ == "__main__":
    sys.exit(main())
