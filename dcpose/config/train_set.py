"""One of several data sets of a training."""

from typing import Literal

from dcpose.config.section import PathText, PositiveFloat, Section


class TrainSet(Section):
    """One of several data sets that a training draws from; paths are relative to its root."""

    root: PathText
    layout: Literal["posetrack17", "posetrack18", "posetrack21", "coco", "penn_action", "jhmdb"] = (
        "posetrack18"
    )
    annotations: PathText | None = None
    """null: where the layout has those of its train split."""
    images: PathText | None = None
    """As data.train_images."""
    skeleton: PathText | None = None
    """YAML of the set's joints, where its layout does not tell them; those of data.skeleton are
    found among them by name, and the others count as not labelled."""
    share: PositiveFloat | None = None
    """Of an epoch; all sets have one or none has. null takes everybody once."""
    weight: PositiveFloat = 1.0
    """Factor of its people in the loss, for labels that are less sure."""
