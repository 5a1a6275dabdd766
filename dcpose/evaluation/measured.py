"""What every measure of a set of predictions has in common, so that tools treat them alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Measured(Protocol):
    """What predictions are worth: AP by PoseTrack's count or by COCO's, pixel errors, PCK."""

    @property
    def headline(self) -> str:
        """What `total` is called: AP, AUC or PCK."""

    @property
    def metric(self) -> str:
        """How it is counted, for the protocol."""

    @property
    def total(self) -> float:
        """The number that models and checkpoints are compared by: percent, more is better."""

    @property
    def columns(self) -> Mapping[str, float]:
        """The row of tables, by title."""

    @property
    def details(self) -> Mapping[str, float]:
        """What the log of a training has beside `total`."""

    @property
    def num_videos(self) -> int | None:
        """Videos evaluated; None for single images."""

    @property
    def num_frames(self) -> int:
        """Frames evaluated."""

    def to_json_dict(self) -> dict[str, Any]:
        """Return joint_names, headline, total, groups, of which the last is the total, and more.

        Undefined values are None.
        """
