"""TAR-ViTPose: joint queries gather tokens of all frames (arXiv 2603.05929).

Joint-centric temporal aggregation (JTA): one query per joint looks at the tokens of all frames, of
each frame at those where that frame's own heatmap of the joint is high. Global restoring attention
(GRA): the tokens of the current frame look at the queries. The decoder that every frame's heatmaps
come from then decodes the current frame again.

Shape legend: B clips, F frames, J joints, C channels, h x w cells of the features, L = cells of the
tokens of one frame, H x W crop pixels. Tokens have stride 16; features of a finer stride are
averaged to it, and the current frame's get what GRA changed, bilinearly.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from dcpose.models.initialise import init_as_torch
from dcpose.models.interface import Backbone, TemporalModel
from dcpose.structures import ClipSpec

TokenOrder = Literal["paper", "release"]

TOKEN_STRIDE = 16
"""Crop pixels per token."""

MASK_EPSILON = 1e-6
"""Keeps the span of a flat heatmap from zero."""


class AttendAndNorm(nn.Module):
    """Attention beside a shortcut, then LayerNorm."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, memory: Tensor, blocked: Tensor | None = None) -> Tensor:
        """Return (B, N, C).

        Args:
            x: (B, N, C) what looks.
            memory: (B, M, C) what is looked at.
            blocked: (B, N, M) True where it is not.
        """
        if blocked is not None:
            blocked = blocked.repeat_interleave(self.mha.num_heads, dim=0)
        return self.norm(x + self.mha(x, memory, memory, need_weights=False, attn_mask=blocked)[0])


class MlpAndNorm(nn.Module):
    """Two linear layers with GELU beside a shortcut, then LayerNorm; (B, N, C) to (B, N, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 2 * channels)
        self.fc2 = nn.Linear(2 * channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, N, C)."""
        return self.norm(x + self.fc2(nn.functional.gelu(self.fc1(x))))


class JointLayer(nn.Module):
    """Queries look at the tokens of all frames, then at each other."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.frames = AttendAndNorm(channels, heads)
        self.joints = AttendAndNorm(channels, heads)
        self.mlp = MlpAndNorm(channels)

    def forward(self, queries: Tensor, tokens: Tensor, blocked: Tensor | None) -> Tensor:
        """Return queries (B, J, C); tokens (B, F L, C), blocked (B, J, F L)."""
        queries = self.frames(queries, tokens, blocked)
        return self.mlp(self.joints(queries, queries))


class JointAggregation(nn.Module):
    """JTA: what each joint's query finds in all frames.

    Args:
        channels: C, a multiple of `heads`.
        num_joints: J.
        layers: rounds of looking.
        heads: of each attention.
    """

    def __init__(self, channels: int, num_joints: int, layers: int, heads: int) -> None:
        super().__init__()
        self.content = nn.Parameter(torch.randn(num_joints, channels))
        self.position = nn.Parameter(torch.randn(num_joints, channels))
        self.layers = nn.ModuleList(JointLayer(channels, heads) for _ in range(layers))

    def forward(self, tokens: Tensor, blocked: Tensor | None) -> Tensor:
        """Return queries (B, J, C); tokens (B, F L, C), blocked (B, J, F L)."""
        queries = (self.content + self.position).expand(tokens.shape[0], -1, -1)
        for layer in self.layers:
            queries = layer(queries, tokens, blocked)
        return queries


class TARStages(NamedTuple):
    """What the network sees on the way.

    Attributes:
        frame_heatmaps: (B, F, J, H / 4, W / 4) of every frame on its own; None without masks.
        blocked: (B, J, F L) True where a joint's query does not look; None without masks.
        queries: (B, J, C) after JTA.
        restored: (B, L, C) tokens of the current frame after GRA.
        output: (B, J, H / 4, W / 4).
    """

    frame_heatmaps: Tensor | None
    blocked: Tensor | None
    queries: Tensor
    restored: Tensor
    output: Tensor


class TAR(TemporalModel):
    """Heatmaps of the current frame from the features of all frames.

    Nothing tells the frames apart in the paper's order: only which one is the current one matters.

    Args:
        backbone: C of its features is a multiple of `heads`.
        num_joints: J.
        layers: of JTA.
        heads: of every attention.
        threshold: tokens where a joint's heatmap, scaled to 0 .. 1 in each frame, is below this
            are not looked at; None lets every query look everywhere.
        token_order: paper, or that of the released code, which reads the tokens' channel-major
            memory as if it were cell-major, and frame-major masks as if they were joint-major: for
            weights that were trained so.
    """

    clip = ClipSpec(training=(-2, -1, 0, 1, 2), test=(-2, -1, 0, 1, 2))
    encodes = "features"

    def __init__(
        self,
        backbone: Backbone,
        num_joints: int = 17,
        layers: int = 6,
        heads: int = 4,
        threshold: float | None = 0.2,
        token_order: TokenOrder = "paper",
    ) -> None:
        super().__init__(backbone)
        channels = backbone.feature_channels
        self.pooling = max(1, TOKEN_STRIDE // backbone.feature_stride)
        self.threshold = threshold
        self.token_order = token_order
        self.jta = JointAggregation(channels, num_joints, layers, heads)
        self.gra = AttendAndNorm(channels, heads)

    def init_head(self, generator: torch.Generator) -> None:
        """Initialise JTA and GRA as torch does, from a generator, and the queries N(0, 1)."""
        for module in (*self.jta.modules(), *self.gra.modules()):
            if isinstance(module, nn.Linear):
                init_as_torch(module, generator)
        for module in (*self.jta.modules(), *self.gra.modules()):
            if isinstance(module, nn.MultiheadAttention):
                nn.init.xavier_uniform_(module.in_proj_weight, generator=generator)
                nn.init.zeros_(module.in_proj_bias)
                nn.init.zeros_(module.out_proj.bias)
        for table in (self.jta.content, self.jta.position):
            nn.init.normal_(table, generator=generator)

    def decode(self, encoded: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps (B, J, H / stride, W / stride) of features (B, F, C, h, w).

        Gaps are not looked at.
        """
        return self.inside(encoded).output

    def stages(self, encoded: Tensor, gaps: Tensor) -> dict[str, Tensor]:
        """Return heatmaps of the current frame alone, where masks need them, and the output."""
        inside = self.inside(encoded)
        if inside.frame_heatmaps is None:
            return {"output": inside.output}
        alone = inside.frame_heatmaps[:, encoded.shape[1] // 2]
        return {"alone": alone, "output": inside.output}

    def inside(self, encoded: Tensor) -> TARStages:
        """Return what features (B, F, C, h, w) become on the way."""
        clips, current = encoded.shape[:2], encoded.shape[1] // 2
        maps = encoded
        if self.pooling > 1:
            pooled = nn.functional.avg_pool2d(encoded.flatten(0, 1), self.pooling)
            maps = pooled.unflatten(0, clips)
        frame_heatmaps = blocked = None
        if self.threshold is not None:
            with torch.no_grad():
                frame_heatmaps = self.backbone.head(encoded.flatten(0, 1)).unflatten(0, clips)
                blocked = self._blocked(frame_heatmaps, maps.shape[-2:], self.threshold)
        tokens = self._tokens(maps)  # (B, F, L, C)
        queries = self.jta(tokens.flatten(1, 2), blocked)
        restored = self.gra(tokens[:, current], queries)
        features = self._maps(restored, maps[:, current])
        if self.pooling > 1:
            change = nn.functional.interpolate(
                features - maps[:, current], encoded.shape[-2:], mode="bilinear"
            )
            features = encoded[:, current] + change
        output = self.backbone.head(features)
        return TARStages(frame_heatmaps, blocked, queries, restored, output)

    def _tokens(self, maps: Tensor) -> Tensor:
        """Return tokens (..., L, C) of maps (..., C, h, w)."""
        if self.token_order == "paper":
            return maps.flatten(-2).transpose(-1, -2)
        return maps.reshape(*maps.shape[:-3], -1, maps.shape[-3])

    def _maps(self, tokens: Tensor, like: Tensor) -> Tensor:
        """Return maps of the shape of others from tokens, the way back of `_tokens`."""
        if self.token_order == "paper":
            tokens = tokens.transpose(-1, -2)
        return tokens.reshape(like.shape)

    def _blocked(self, heatmaps: Tensor, grid_hw: torch.Size, threshold: float) -> Tensor:
        """Return (B, J, F L), True where a query does not look.

        A joint that would see nothing at all sees everything, else its query would be NaN.

        Args:
            heatmaps: (B, F, J, H / 4, W / 4).
            grid_hw: cells of the tokens.
            threshold: on heatmaps that are scaled to 0 .. 1 and resized to the grid.
        """
        heatmaps = heatmaps.float()
        low = heatmaps.amin((-2, -1), keepdim=True)
        high = heatmaps.amax((-2, -1), keepdim=True)
        scaled = (heatmaps - low) / (high - low + MASK_EPSILON)
        resized = nn.functional.interpolate(scaled.flatten(0, 1), tuple(grid_hw), mode="bilinear")
        blocked = (resized < threshold).flatten(2).unflatten(0, heatmaps.shape[:2])  # (B, F, J, L)
        if self.token_order == "paper":
            blocked = blocked.transpose(1, 2)
        blocked = blocked.reshape(heatmaps.shape[0], heatmaps.shape[2], -1)
        return blocked & ~blocked.all(dim=-1, keepdim=True)
