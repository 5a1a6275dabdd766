"""Layouts of ViTPose: as published, in transformers and in mmpose; and of ImageNet by MAE.

    ViTPose             backbone.blocks.*, keypoint_head.*; easy_ViTPose's files too
    ViTPose hub         transformers': backbone.encoder.layer.*, head.*
    mmpose 1.x ViTPose  backbone.layers.*, head.*
    ViT ImageNet        blocks.* without a prefix: MAE's, and timm's vit_*_patch16_224

Our table of positions lies on its grid, (1, C, h, w). In files it is a list of rows, of which the
first belongs to no cell: ViTPose adds it to every token. Here it is added to the table, which
gives the same sums (also after resampling: bicubic weights add up to 1). mmpose's table has no
such row.

Networks "plus" have a last linear layer (fc2) in two parts: shared rows, and rows of one of
several experts, by the data set of the picture. Together they are a plain layer. Expert 0 is
COCO's.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from dcpose.weights.layouts.convnets import PREPROCESSOR
from dcpose.weights.layouts.layout import (
    LEAF,
    MMPOSE_TERMS,
    TRAINING_DATA,
    Layout,
    Pairs,
    by_pairs,
    check_parts,
    swap,
    turned,
)

POSITIONS = "backbone.positions"
"""Our name of the table of positions."""

PATCH = 16

_DECODER: Pairs = (
    ("deconv_layers.", "backbone.deconv_layers."),
    ("final_layer.", "backbone.final_layer."),
)

_OFFICIAL: Pairs = (
    ("backbone.pos_embed", POSITIONS),
    ("backbone.patch_embed.proj.", "backbone.patch_embed."),
    *((f"keypoint_head.{theirs}", ours) for theirs, ours in _DECODER),
)

MMPOSE_BACKBONE: Pairs = (
    ("backbone.pos_embed", POSITIONS),
    ("backbone.patch_embed.projection.", "backbone.patch_embed."),
    ("backbone.layers.#.ln1.", "backbone.blocks.#.norm1."),
    ("backbone.layers.#.ln2.", "backbone.blocks.#.norm2."),
    ("backbone.layers.#.attn.", "backbone.blocks.#.attn."),
    ("backbone.layers.#.ffn.layers.0.0.", "backbone.blocks.#.mlp.fc1."),
    ("backbone.layers.#.ffn.layers.1.", "backbone.blocks.#.mlp.fc2."),
    ("backbone.ln1.", "backbone.last_norm."),
)
"""Names of mmpose's backbone, which others have too."""

_MMPOSE: Pairs = (
    *MMPOSE_BACKBONE,
    *((f"head.{theirs}", ours) for theirs, ours in _DECODER),
)

_HUB_ATTENTION = "backbone.encoder.layer.#.attention.attention."

_HUB: Pairs = (
    ("backbone.embeddings.position_embeddings", POSITIONS),
    ("backbone.embeddings.patch_embeddings.projection.", "backbone.patch_embed."),
    (f"{_HUB_ATTENTION}qkv.", "backbone.blocks.#.attn.qkv."),
    ("backbone.encoder.layer.#.attention.output.dense.", "backbone.blocks.#.attn.proj."),
    ("backbone.encoder.layer.#.layernorm_before.", "backbone.blocks.#.norm1."),
    ("backbone.encoder.layer.#.layernorm_after.", "backbone.blocks.#.norm2."),
    ("backbone.encoder.layer.#.mlp.", "backbone.blocks.#.mlp."),
    ("backbone.layernorm.", "backbone.last_norm."),
    ("head.deconv1.", "backbone.deconv_layers.0."),
    ("head.batchnorm1.", "backbone.deconv_layers.1."),
    ("head.deconv2.", "backbone.deconv_layers.3."),
    ("head.batchnorm2.", "backbone.deconv_layers.4."),
    ("head.conv.", "backbone.final_layer."),
)

_IMAGENET: Pairs = (
    ("pos_embed", POSITIONS),
    ("patch_embed.proj.", "backbone.patch_embed."),
    ("norm.", "backbone.last_norm."),
    ("", "backbone."),
)

_EXPERT = re.compile(r"(backbone\.\w+(?:\.layer)?\.\d+\.mlp\.)experts\.(\d+)\.(weight|bias)")
"""Block, number of the expert, and last part of the name of an expert's entry."""

_DECODER_ENTRY = rf"(deconv_layers\.[0134]|final_layer)\.{LEAF}"

_ASSOCIATE = re.compile(rf"associate_keypoint_heads\.(\d+)\.{_DECODER_ENTRY}")
"""Number and entry of a decoder of another data set, in files of networks "plus"."""

_THIRD = re.compile(
    r"(backbone\.encoder\.layer\.\d+\.attention\.attention\.)(query|key|value)\.(weight|bias)"
)


def fold_experts(state: Mapping[str, Tensor], path: Path, expert: int = 0) -> dict[str, Tensor]:
    """Turn a network "plus" into a plain one, whose entries are bit-identical.

    Files whose layers are whole although they hold experts are folded already (the official
    script leaves the experts in); their experts are left alone.

    Args:
        state: names and tensors of a file; without experts they come back as they are.
        path: the file, for messages.
        expert: whose rows are taken.

    Raises:
        WeightsMismatchError: if an entry of an expert is missing or misshapen.
    """
    experts = {name: match for name in state if (match := _EXPERT.fullmatch(name))}
    last_rows = Counter(len(t) for name, t in state.items() if name.endswith("mlp.fc2.bias"))
    width = Counter(t.shape[-1] for name, t in state.items() if name.endswith("mlp.fc1.weight"))
    if not experts or not last_rows or _most(last_rows) == _most(width):
        return dict(state)
    numbers = sorted({int(match[2]) for match in experts.values()})
    blocks = dict.fromkeys(
        name.removesuffix("fc2.bias").removesuffix("fc1.bias")
        for name in state
        if name.endswith(("mlp.fc1.bias", "mlp.fc2.bias"))
    )
    wanted = {
        leaf: [f"{block}experts.{number}.{leaf}" for block in blocks for number in numbers]
        for leaf in ("weight", "bias")
    }
    strange = [name for name in state if ".mlp.experts." in name and name not in experts]
    check_parts(state, wanted.values(), strange, path)
    folded = dict(state)
    for block in blocks:
        for leaf in ("weight", "bias"):
            shared = state.get(f"{block}fc2.{leaf}")
            if shared is not None:
                rows = state[f"{block}experts.{expert}.{leaf}"]
                if shared.shape[1:] == rows.shape[1:]:
                    folded[f"{block}fc2.{leaf}"] = torch.cat([shared, rows])
    return folded


def fit_positions(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], resample: bool
) -> dict[str, Tensor]:
    """Lay a table of positions on the grid of a model.

    Args:
        state: entries under our names; a table is (1, C, h, w), or (1, rows, C) as in files.
        expected: entries of the model; its table is (1, C, h, w).
        resample: a table of another grid is resampled, bicubic, if it is (1, C, h, w).

    Returns:
        The entries; a table that does not fit stays as it is.
    """
    fitted = dict(state)
    table, wanted = state.get(POSITIONS), expected.get(POSITIONS)
    if table is None or wanted is None:
        return fitted
    grid = wanted.shape[2:]
    if table.shape == (1, grid.numel(), wanted.shape[1]):
        fitted[POSITIONS] = table.transpose(1, 2).reshape(1, -1, *grid).contiguous()
    elif resample and table.ndim == 4 and table.shape[2:] != grid:
        fitted[POSITIONS] = nn.functional.interpolate(
            table, tuple(grid), mode="bicubic", align_corners=False
        )
    return fitted


def _with_first_row_added(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    table = state.get(name)
    if table is not None and table.ndim == 3 and table.shape[1] > 1:
        state[name] = table[:, 1:] + table[:, :1]
    return state


def _from_official(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    associates = {int(match[1]) for name in state if (match := _ASSOCIATE.fullmatch(name))}
    strange = [n for n in state if n.startswith("associate_") and not _ASSOCIATE.fullmatch(n)]
    groups = [
        [f"associate_keypoint_heads.{number}.{match[1]}" for number in sorted(associates)]
        for name in state
        if (match := re.fullmatch(rf"keypoint_head\.({_DECODER_ENTRY})", name))
    ]
    outputs = [names for names in groups if names and ".final_layer." in names[0]]
    check_parts(state, [names for names in groups if names not in outputs], strange, path)
    check_parts(state, outputs, [], path, first_side=False)
    return _with_first_row_added(fold_experts(state, path), "backbone.pos_embed")


def _from_hub(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    groups: dict[str, set[str]] = defaultdict(set)
    for name in state:
        if match := _THIRD.fullmatch(name):
            groups[match[3]].add(match[1])
    thirds = ("query", "key", "value")
    wanted = {
        leaf: [f"{block}{third}.{leaf}" for block in sorted(blocks) for third in thirds]
        for leaf, blocks in groups.items()
    }
    strange = [
        name for name in state if ".attention.attention." in name and not _THIRD.fullmatch(name)
    ]
    check_parts(state, wanted.values(), strange, path)
    merged = {name: t for name, t in state.items() if not _THIRD.fullmatch(name)}
    for leaf, blocks in groups.items():
        for block in blocks:
            parts = [state[f"{block}{third}.{leaf}"] for third in thirds]
            merged[f"{block}qkv.{leaf}"] = torch.cat(parts)
    merged = _with_first_row_added(merged, "backbone.embeddings.position_embeddings")
    return fold_experts(merged, path)


def _from_imagenet(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    changed = _with_first_row_added(dict(state), "pos_embed")
    table = changed.get("pos_embed")
    side = math.isqrt(table.shape[1]) if table is not None and table.ndim == 3 else 0
    if table is not None and side and side**2 == table.shape[1]:
        changed["pos_embed"] = table.transpose(1, 2).unflatten(2, (side, side)).contiguous()
    kernels = changed.get("patch_embed.proj.weight")
    if kernels is not None and kernels.ndim == 4 and kernels.shape[2:] == (PATCH - 2, PATCH - 2):
        changed["patch_embed.proj.weight"] = nn.functional.pad(kernels, (1, 1, 1, 1))
    return changed


def _to_hub(name: str) -> str:
    theirs = swap(name, turned(_HUB))
    if ".attention.attention.qkv." not in theirs:
        return theirs
    parts = (theirs.replace(".qkv.", f".{third}.") for third in ("query", "key", "value"))
    return ", ".join(parts)


def _most(counts: Counter[int]) -> int:
    return counts.most_common(1)[0][0]


VITPOSE = Layout(
    "ViTPose",
    "vitpose",
    *by_pairs(_OFFICIAL),
    "ViTPose: Apache-2.0" + TRAINING_DATA,
    left_out=re.compile(rf"backbone\.cls_token|{_EXPERT.pattern}|{_ASSOCIATE.pattern}"),
    rework=_from_official,
)
VITPOSE_HUB = Layout(
    "ViTPose hub",
    "transformers",
    lambda name: swap(name, _HUB),
    _to_hub,
    "see the model card; ViTPose: Apache-2.0" + TRAINING_DATA,
    left_out=_EXPERT,
    rework=_from_hub,
)
MMPOSE_VITPOSE = Layout(
    "mmpose 1.x ViTPose",
    "mmpose",
    *by_pairs(_MMPOSE),
    MMPOSE_TERMS,
    left_out=PREPROCESSOR,
)
VIT_IMAGENET = Layout(
    "ViT ImageNet",
    "mae",
    *by_pairs(_IMAGENET),
    "MAE: CC-BY-NC-4.0, timm's: see the model card" + TRAINING_DATA,
    left_out=re.compile(
        r"cls_token|mask_token|decoder_pos_embed|((fc_norm|head|decoder_(embed|norm|pred))|"
        r"decoder_blocks\.\d+\.(norm[12]|attn\.(qkv|proj)|mlp\.fc[12]))\.(weight|bias)"
    ),
    without=("backbone.deconv_layers.", "backbone.final_layer."),
    rework=_from_imagenet,
    resamples_positions=True,
)
