"""Train the person detector that comes with the package, on rendered pictures.

python scripts/train_person_detector.py --data ROOT... --pose FILE --out RUN [--photos DIR]
    [--steps N] [--seed S]

Trunk and pyramid start as those of the packaged pose network; stem and first blocks stay as they
are. RUN/last.pt is written as the training goes; the same command goes on from there, to the same
bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.data.appearance import Appearance
from dcpose.data.scenes import PersonScenes
from dcpose.files.writing import replacing
from dcpose.formats.posetrack.records import read_annotations
from dcpose.models.person_detector.loss import detector_loss
from dcpose.models.person_detector.network import PersonDetector
from dcpose.structures import normalise
from dcpose.weights.reading import read_weights

SIDE = 256
"""Of the windows, pixels."""
PERSON_RANGE = (0.2, 1.5)
BATCH = 8
LEARNING_RATE = 1.2e-3
TRUNK_RATE = 0.2
"""Factor on the rate for the trunk."""
FROZEN_BLOCKS = 11
"""Of the trunk, with its stem."""
WEIGHT_DECAY = 1e-4
WARM_UP = 100
DECAY = 0.35
"""Share of the steps, the last ones, in which the rate falls to nothing."""
EMA_DECAY = 0.998
LARGEST_GRADIENT = 5.0
SAVE_EVERY = 50
APPEARANCE = Appearance(color=0.9, blur=0.25, low_resolution=0.3, noise=0.05, cutout=0.2, jpeg=0.3)


@dataclass(eq=False)
class Training:
    """A training as far as it is.

    Attributes:
        model: what the optimizer works on.
        learning: what changes of its state, by name, and
        average: the moving average of that, with all the rest; what comes out.
        optimizer: AdamW.
        step: updates made.
    """

    model: PersonDetector
    learning: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0

    @classmethod
    def start(cls, pose: Path, seed: int) -> "Training":
        """Begin with the pose network's trunk and pyramid, and heads drawn from `seed`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = PersonDetector()
        model.load_state_dict(model.state_dict() | entries_of_pose(pose))
        model.to(memory_format=torch.channels_last)
        for part in (model.trunk.conv_stem, model.trunk.bn0, *model.trunk.blocks[:FROZEN_BLOCKS]):
            part.requires_grad_(False)
        trunk = [value for value in model.trunk.parameters() if value.requires_grad]
        rest = [value for name, value in model.named_parameters() if not name.startswith("trunk.")]
        groups = [
            {"params": rest, "factor": 1.0},
            {"params": trunk, "factor": TRUNK_RATE},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
        state = model.state_dict(keep_vars=True)
        learning = {
            name: value
            for name, value in state.items()
            if value.requires_grad or name.endswith(("running_mean", "running_var"))
        }
        average = {name: value.detach().clone() for name, value in state.items()}
        return cls(model, learning, average, optimizer)

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

    def update(self, scenes: PersonScenes, rate: float) -> float:
        """Make one step with a learning rate; return its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        picks = np.random.default_rng([scenes.seed, self.step]).integers(len(scenes), size=BATCH)
        samples = [scenes[self.step, int(pick)] for pick in picks]
        self.model.train()
        self.model.trunk.eval()  # its statistics are those of ImageNet's pictures
        images = normalise(torch.from_numpy(np.stack([sample.image for sample in samples])))
        logits, boxes = self.model(images)
        people, regions = (
            [torch.from_numpy(getattr(sample, name)).float() for sample in samples]
            for name in ("corners", "ignored")
        )
        loss = detector_loss(logits, boxes, people, regions, (scenes.side, scenes.side))
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self.step += 1
        decay = min(EMA_DECAY, self.step / (self.step + 9))
        with torch.no_grad():
            for name, value in self.learning.items():
                self.average[name].lerp_(value, 1 - decay)
        return loss.item()


def rate_at(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step: it rises, stays, and falls at the end."""
    return min(1.0, (step + 1) / WARM_UP, (1 - step / steps) / DECAY)


def entries_of_pose(pose: Path) -> dict[str, Tensor]:
    """Return what a detector takes over from a pose network: all but its finest level."""
    theirs, shared = read_weights(pose).state, {}
    for name in PersonDetector().state_dict():
        part, level, *rest = name.split(".")
        if part == "trunk":
            shared[name] = theirs[f"backbone.{name}"]
        elif part in ("laterals", "smooth"):
            shared[name] = theirs[".".join(["backbone.pyramid", part, str(int(level) + 1), *rest])]
    return shared


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = documented_parser(__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="rendered videos")
    parser.add_argument("--pose", type=Path, required=True, help="the packaged pose network")
    parser.add_argument("--photos", type=Path, help="pictures without people (.jpg)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    videos = [
        video for root in args.data for video in read_annotations(root / "annotations/train", root)
    ]
    photos = sorted(args.photos.glob("*.jpg")) if args.photos else []
    scenes = PersonScenes(videos, SIDE, PERSON_RANGE, APPEARANCE, args.seed, photos)
    training, last = Training.start(args.pose, args.seed), args.out / "last.pt"
    if last.is_file():
        training.load(last)
    args.out.mkdir(parents=True, exist_ok=True)
    losses = []
    while training.step < args.steps:
        losses.append(training.update(scenes, LEARNING_RATE * rate_at(training.step, args.steps)))
        if training.step % SAVE_EVERY == 0 or training.step == args.steps:
            training.save(last)
            print(f"step {training.step} of {args.steps}: loss {np.mean(losses):.3f}", flush=True)
            losses.clear()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
