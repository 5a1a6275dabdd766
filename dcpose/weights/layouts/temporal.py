"""Layouts of the methods on features, as released: TAR-ViTPose and FAMI-Pose.

TAR-ViTPose         mmpose's backbone, heatmap_head.*, masked_attention_layers.*, ...; backbone
                    and decoder once more under model.*
FAMI-Pose           hrnet.*, feat_global_offset_layers.*, ...
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dcpose.weights.layouts.layout import TRAINING_DATA, Layout, Pairs, by_pairs, swap, turned
from dcpose.weights.layouts.vit import MMPOSE_BACKBONE
from dcpose.weights.strict import Differences, WeightsMismatchError, listed

_TAR: Pairs = (
    *MMPOSE_BACKBONE,
    ("heatmap_head.0.", "backbone.deconv_layers."),
    ("heatmap_head.1.", "backbone.final_layer."),
    ("query_feat.weight", "jta.content"),
    ("query_pe.weight", "jta.position"),
    ("masked_attention_layers.#.", "jta.layers.#.frames."),
    ("self_attention_layers.#.", "jta.layers.#.joints."),
    ("ffn_layers.#.", "jta.layers.#.mlp."),
    ("cross_attention.", "gra."),
)

_TWICE: Pairs = (
    ("model.backbone.", "backbone."),
    ("model.head.deconv_layers.", "heatmap_head.0."),
    ("model.head.final_layer.", "heatmap_head.1."),
)
"""Second names of entries in released files, and their first ones."""

_FAMI: Pairs = (
    ("hrnet.", "backbone."),
    ("feat_global_offset_layers.0.layers.", "shift.chain."),
    *((f"feat_global_offset_layers.{i + 1}.", f"shift.halvings.{i}.") for i in range(5)),
    *((f"feat_global_offset_layers.{i + 7}.", f"shift.linears.{i}.") for i in range(3)),
    ("sup_agg_block.layers.", "merge."),
    ("combined_feat_layers.layers.", "combine."),
    *((f"dcn_offset_{i + 1}.conv.", f"calibrations.{i}.offset_conv.") for i in range(4)),
    *((f"dcn_mask_{i + 1}.conv.", f"calibrations.{i}.mask_conv.") for i in range(4)),
    *((f"dcn_{i + 1}.", f"calibrations.{i}.deform_conv.") for i in range(4)),
    ("init_feature_agg_block.layers.", "fuse."),
    ("agg_final_layer.", "output."),
)


def _without_doubles(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Leave out the second names of entries, once it is known that they hold the same numbers."""
    first_names = {name: swap(name, _TWICE) for name in state if name.startswith("model.")}
    once = {name: tensor for name, tensor in state.items() if name not in first_names}
    if not first_names:
        return once
    wanted = [name for name in once if name.startswith(("backbone.", "heatmap_head."))]
    kinds = {
        "missing": [first for first in first_names.values() if first not in once]
        + [swap(name, turned(_TWICE)) for name in wanted if name not in first_names.values()],
        "other than the double": [
            f"{first} ({second})"
            for second, first in first_names.items()
            if first in once and not torch.equal(state[second], once[first])
        ],
    }
    if any(kinds.values()):
        found = "; ".join(listed(kind, names) for kind, names in kinds.items() if names)
        raise WeightsMismatchError(
            f"{path} should hold backbone and decoder twice, with the same numbers: {found}",
            Differences([], kinds["missing"], []),
        )
    return once


TAR = Layout(
    "TAR-ViTPose",
    "tar",
    *by_pairs(_TAR),
    "TAR-ViTPose: Apache-2.0" + TRAINING_DATA,
    rework=_without_doubles,
)
FAMI = Layout(
    "FAMI-Pose",
    "fami",
    *by_pairs(_FAMI),
    "FAMI-Pose was published without a licence: ask its authors before passing the weights on",
)
