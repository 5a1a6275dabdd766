"""The table of weights that others published: where they are, or why they cannot be had."""

import functools
from dataclasses import dataclass
from pathlib import Path

from dcpose.files.yaml_text import read_yaml

TABLE = Path(__file__).with_name("zoo.yaml")
PACKAGE = "package:"
"""Source of weights that lie in `dcpose/weights/packaged`."""


@dataclass(frozen=True)
class Entry:
    """Weights that somebody published.

    Attributes:
        name: what `--weights` takes.
        what: network, size and training data.
        use: "weights" of a whole model, "backbone" (`model.backbone.weights`), or "detector".
        code: licence of the code that made them.
        weights: licence of the file.
        data: what it was trained on, whose terms apply besides.
        source: https address, hf:OWNER/REPO/FILE, or package:FILE for what need not be fetched;
            None if it cannot be had.
        state: what is known of whether it can be had, and why not.
        sha256: of the file, or its first digits; None if unknown, and then recorded when it is
            first fetched.
        config: shipped config, and overrides, that its network fits; None if there is none.
    """

    name: str
    what: str
    use: str
    code: str
    weights: str
    data: str
    state: str
    source: str | None = None
    sha256: str | None = None
    config: str | None = None

    @property
    def overrides(self) -> list[str]:
        """What follows the name of the config."""
        return (self.config or "").split()[1:]

    @property
    def config_name(self) -> str | None:
        """Name of the config, without overrides."""
        return self.config.split()[0] if self.config else None


@functools.cache
def read_zoo() -> dict[str, Entry]:
    """Return the entries by name, in the order of the table."""
    rows = read_yaml(TABLE)
    entries = [Entry(**{**rows["defaults"], **row}) for row in rows["entries"]]
    return {entry.name: entry for entry in entries}


def zoo_text() -> str:
    """Return the table for a terminal."""
    return "\n\n".join(_lines(entry) for entry in read_zoo().values())


def _lines(entry: Entry) -> str:
    fetched = entry.source is not None and not entry.source.startswith(PACKAGE)
    facts = {
        "for": {
            "weights": "--weights",
            "backbone": "model.backbone.weights",
            "detector": "--detector",
        }[entry.use],
        "from": entry.source or "cannot be fetched",
        "state": entry.state,
        "SHA-256": entry.sha256 or ("recorded when first fetched" if fetched else None),
        "config": entry.config,
        "licence": f"code {entry.code}; weights {entry.weights}; data {entry.data}",
    }
    lines = [f"  {key:<8} {value}" for key, value in facts.items() if value]
    return "\n".join([f"{entry.name}: {entry.what}", *lines])
