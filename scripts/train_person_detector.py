"""Train the person detector that comes with the package, on rendered videos.

python scripts/train_person_detector.py --data ROOT --imagenet FILE --out RUN [--steps N] [--seed S]

ImageNet's features stay as they are, a pyramid and two heads learn. RUN/last.pt is written as the
training goes; the same command goes on from there, to the same bits.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dcpose.cli import reports_user_errors
from dcpose.data.appearance import Appearance
from dcpose.data.scenes import PersonScenes
from dcpose.files.writing import replacing
from dcpose.formats.posetrack.records import read_annotations
from dcpose.models.person_detector.loss import DetectorTargets, detector_loss
from dcpose.models.person_detector.network import STRIDE, PersonDetector
from dcpose.structures import normalise
from dcpose.weights.loading import read_named_weights

SIDE = 320
"""Of the windows, pixels."""
PERSON_RANGE = (28.0, 300.0)
BATCH = 8
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-4
WARM_UP = 50
EMA_DECAY = 0.99
LARGEST_GRADIENT = 5.0
SAVE_EVERY = 50
APPEARANCE = Appearance(color=0.9, blur=0.25, low_resolution=0.3, noise=0.05, cutout=0.2, jpeg=0.3)


@dataclass(eq=False)
class Training:
    """A training as far as it is.

    Attributes:
        model: what the optimizer works on.
        average: entries of its moving average, by name; what comes out.
        optimizer: AdamW of pyramid and heads.
        step: updates made.
    """

    model: PersonDetector
    average: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0

    @classmethod
    def start(cls, imagenet: Path, seed: int) -> "Training":
        """Begin with ImageNet's trunk, and everything else drawn from `seed`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = PersonDetector()
        trunk = read_named_weights(imagenet).named.state
        model.trunk.load_state_dict(
            {name.removeprefix("backbone.trunk."): value for name, value in trunk.items()}
        )
        model.to(memory_format=torch.channels_last)
        model.trunk.requires_grad_(False)
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(learning, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        average = {name: value.clone() for name, value in model.state_dict().items()}
        return cls(model, average, optimizer)

    def save(self, path: Path) -> None:
        """Write everything that the next step depends on, in one go."""
        state = {
            "model": self.average,
            "trained": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        with replacing(path) as unfinished:
            torch.save(state, unfinished)

    def load(self, path: Path) -> None:
        """Continue from a file that `save` wrote."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["trained"])
        self.average = state["model"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def update(self, scenes: PersonScenes, steps: int, seed: int) -> float:
        """Make one step of a training of `steps`; return its loss."""
        rate = min(1.0, (self.step + 1) / WARM_UP) * (1 + math.cos(math.pi * self.step / steps)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * rate
        picks = np.random.default_rng([seed, self.step]).integers(len(scenes), size=BATCH)
        samples = [scenes[self.step, int(pick)] for pick in picks]
        images = normalise(torch.from_numpy(np.stack([sample.image for sample in samples])))
        targets = DetectorTargets(
            [torch.from_numpy(sample.corners) for sample in samples],
            [torch.from_numpy(sample.ignored) for sample in samples],
            (SIDE // STRIDE, SIDE // STRIDE),
        )
        self.model.train()
        self.model.trunk.eval()
        with torch.no_grad():
            levels = self.model.trunk(images)
        loss = detector_loss(*self.model.on_levels(levels), targets)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self.step += 1
        decay = min(EMA_DECAY, self.step / (self.step + 9))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)
        return loss.item()


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered videos")
    parser.add_argument("--imagenet", type=Path, required=True, help="EfficientNet-Lite0's file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    videos = read_annotations(args.data / "annotations" / "train", args.data)
    scenes = PersonScenes(videos, SIDE, PERSON_RANGE, APPEARANCE, args.seed)
    training, last = Training.start(args.imagenet, args.seed), args.out / "last.pt"
    if last.is_file():
        training.load(last)
    args.out.mkdir(parents=True, exist_ok=True)
    losses = []
    while training.step < args.steps:
        losses.append(training.update(scenes, args.steps, args.seed))
        if training.step % SAVE_EVERY == 0 or training.step == args.steps:
            training.save(last)
            print(f"step {training.step} of {args.steps}: loss {np.mean(losses):.3f}", flush=True)
            losses.clear()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
