"""CUDA graphs: a network's kernels recorded once and replayed, without Python in between.

A graph is of one shape, so batches are filled up to one of a few sizes.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Batch sizes that are recorded, when a batch first needs them; larger batches are cut."""

WARM_UP_CALLS = 3
"""Calls before a recording, in which libraries choose their kernels and make their workspaces."""

Inputs = tuple[Tensor, Tensor]
Replay = Callable[[], Tensor]


def record(network: nn.Module, inputs: Inputs) -> Replay:
    """Record a call on CUDA; the result computes it again on what `inputs` then hold.

    Its output lies in the same memory every time.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP_CALLS):
            network(*inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = network(*inputs)

    def replay() -> Tensor:
        graph.replay()
        return output

    return replay


class GraphedNetwork(nn.Module):
    """A network on recorded batch sizes; heatmaps of a clip do not depend on the others.

    Rows that fill a batch up are zero frames with gaps of 1; their heatmaps are dropped. Call it
    without gradients.

    Args:
        network: maps frames (B, F, 3, H, W) and gaps (B, F - 1) to heatmaps (B, J, h, w), in eval
            mode on a CUDA device; its weights stay where they are.
        sizes: rising batch sizes.
        recorder: see `record`.
    """

    def __init__(
        self,
        network: nn.Module,
        sizes: tuple[int, ...] = SIZES,
        recorder: Callable[[nn.Module, Inputs], Replay] = record,
    ) -> None:
        super().__init__()
        self.network = network
        self.sizes = sizes
        self._record = recorder
        self._recorded: dict[tuple[int, ...], tuple[Inputs, Replay]] = {}
        self.eval()

    def forward(self, frames: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps (B, J, h, w) for any number of clips."""
        largest = self.sizes[-1]
        pieces = zip(frames.split(largest), gaps.split(largest), strict=True)
        return torch.cat([self._run(*piece) for piece in pieces])

    def _run(self, frames: Tensor, gaps: Tensor) -> Tensor:
        clips = len(frames)
        size = next(size for size in self.sizes if size >= clips)
        key = (size, *frames.shape[1:])
        if key not in self._recorded:
            inputs = _blank(size, frames, gaps)
            self._recorded[key] = inputs, self._record(self.network, inputs)
        (all_frames, all_gaps), replay = self._recorded[key]
        all_frames[:clips].copy_(frames)
        all_gaps[:clips].copy_(gaps)
        return replay()[:clips].clone()  # the next call writes to the same memory


def _blank(size: int, frames: Tensor, gaps: Tensor) -> Inputs:
    _, num_frames, channels, height, width = frames.shape
    # channels-last in memory, as batches come
    blank = frames.new_zeros(size, num_frames, height, width, channels).movedim(-1, 2)
    return blank, gaps.new_ones(size, gaps.shape[1])
