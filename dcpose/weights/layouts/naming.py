"""Recognise a layout by its names, and give the entries our names."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dcpose.weights.layouts import convnets, temporal, vit
from dcpose.weights.layouts.layout import Layout


@dataclass(frozen=True)
class NamedWeights:
    """Weights under our names.

    Attributes:
        layout: how the file names them.
        state: names and tensors.
        left_out: names in the file of entries that are no part of our networks.
    """

    layout: Layout
    state: dict[str, Tensor]
    left_out: tuple[str, ...]


def name_weights(state: Mapping[str, Tensor], path: Path) -> NamedWeights:
    """Recognise the layout of a file by its names, and give the entries our names.

    Args:
        state: names and tensors of the file, see `weights.reading.read_weights`.
        path: the file, for messages.

    Raises:
        WeightsMismatchError: if entries that belong together are not all there.
        ValueError: if the layout is unknown, or two entries would get the same name.
    """
    layout = recognise(state, path)
    left_out = dict.fromkeys(_names_left_out(layout, state))
    ours: dict[str, Tensor] = {}
    for name, tensor in layout.rework(state, path).items():
        if name in left_out:
            continue
        own = layout.to_ours(name)
        if own in ours:
            raise ValueError(f"{path} holds two entries for {own!r}, one of them is {name!r}")
        ours[own] = tensor
    return NamedWeights(layout, ours, tuple(left_out))


def recognise(names: Iterable[str], path: Path) -> Layout:
    """Return the layout that some of the names tell; no single name decides.

    Raises:
        ValueError: if it is none that is known.
    """
    names = list(names)

    def has(*beginnings: str) -> bool:
        return any(name.startswith(beginnings) for name in names)

    rules: tuple[tuple[Layout, bool], ...] = (
        (convnets.RELEASED, has("rough_pose_estimation_net.", "offset_mask_combine_conv.")),
        (convnets.MMPOSE_POSEWARPER, has("neck.offset_feats.", "neck.offset_layers.")),
        (temporal.TAR, has("masked_attention_layers.", "self_attention_layers.")),
        (temporal.FAMI, has("feat_global_offset_layers.", "combined_feat_layers.")),
        (vit.VITPOSE_HUB, has("backbone.encoder.layer.", "backbone.embeddings.")),
        (vit.VITPOSE, has("keypoint_head.") and has("backbone.blocks.")),
        (vit.MMPOSE_VITPOSE, has("backbone.layers.")),
        (convnets.MMPOSE_0, has("keypoint_head.")),
        (convnets.MMPOSE_1, has("head.final_layer.", "head.deconv_layers.")),
        (convnets.OURS, has("backbone.")),
        (convnets.POSEWARPER, has("offset_feats.")),
        (
            convnets.HRNET_IMAGENET,
            has("stage2.") and bool(_names_left_out(convnets.HRNET_IMAGENET, names)),
        ),
        (convnets.HRNET_POSE, has("stage2.")),
        (convnets.SIMPLE_BASELINE, has("layer4.") and has("deconv_layers.")),
        (convnets.RESNET_IMAGENET, has("layer4.")),
        (convnets.EFFICIENTNET_LITE_IMAGENET, has("_blocks.")),
        (vit.VIT_IMAGENET, has("blocks.") and has("patch_embed.", "norm.")),
    )
    layout = next((layout for layout, fits in rules if fits), None)
    if layout is None:
        raise ValueError(
            f"{path} has an unknown layout, its names begin {', '.join(names[:3])}; expected one "
            f"of {', '.join(layout.title for layout, _ in rules)}"
        )
    return layout


def _names_left_out(layout: Layout, names: Iterable[str]) -> list[str]:
    names = list(names)
    modules = [int(m[1]) for name in names if (m := re.match(r"stage4\.(\d+)\.", name))]
    last = f"stage4.{max(modules, default=0)}."
    return [
        name for name in names if layout.left_out.fullmatch(name.replace(last, "stage4.last.", 1))
    ]
