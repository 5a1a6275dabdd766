"""What is wrong with a file: a reader tells it once, and its caller decides what becomes of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["problem", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        code: kind of the finding, one of `dcpose.check.findings.CODES`.
        where: the file or folder, with the entry where there is one.
        found: what was found, and what was expected.
        mend: what to do about it.
        level: `problem`: mend it before a run; `note`: no run stops or suffers from it.
        count: how many entries of the same file this stands for; `where` names the first.
    """

    code: str
    where: str
    found: str
    mend: str
    level: Level = "problem"
    count: int = 1

    def line(self) -> str:
        """Return the finding in one line."""
        more = f" (and {self.count - 1} more like it there)" if self.count > 1 else ""
        return f"{self.where}: {self.found}{more}; {self.mend}"


@dataclass
class Findings:
    """Takes the findings of a reader: a strict one raises the first, another collects all.

    Attributes:
        strict: whether a finding ends the reading.
        found: what was collected.
    """

    strict: bool = True
    found: list[Finding] = field(default_factory=list)

    def add(self, code: str, where: str, found: str, mend: str, count: int = 1) -> None:
        """Take a problem; see `Finding`.

        Raises:
            ValueError: with the line of the finding, if strict.
        """
        finding = Finding(code, where, found, mend, count=count)
        if self.strict:
            raise ValueError(finding.line())
        self.found.append(finding)

    @contextlib.contextmanager
    def of_entry(self, code: str, where: str, mend: str = "correct this entry") -> Iterator[None]:
        """Make a finding of a ValueError of the block; `where` is the start of its message.

        Raises:
            ValueError: with the line of the finding, if strict.
        """
        try:
            yield
        except ValueError as error:
            text = str(error).removeprefix(f"{where}: ")
            self.add(code, where, text, mend)
