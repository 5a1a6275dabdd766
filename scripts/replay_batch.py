"""Repeat the step of training whose loss or gradient was not finite, and say where it began.

python scripts/replay_batch.py RUN_DIR/nonfinite/stepN_process0.pt [--device ...] [--precision ...]

Prints the loss of each batch, its clips, the first module whose output is not finite, and the norm
of the gradient. The exit code is 0 if the step gave NaN or infinity again, 1 if all was finite,
which tells of the precision or device that it was repeated with, or of memory that failed.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dcpose.build.model import build_model
from dcpose.build.training import build_target_encoder
from dcpose.cli import add_device, reports_user_errors
from dcpose.config.loading import config_from_dict
from dcpose.engine.devices import choose_device
from dcpose.engine.faults.finite import gradient_norm
from dcpose.engine.precision import resolve_precision
from dcpose.engine.run.checkpoint import load_model_state
from dcpose.engine.run.replay import load_step
from dcpose.engine.supervised import SupervisedModel
from dcpose.losses import JointsMSELoss


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("step", type=Path, help="file in RUN_DIR/nonfinite")
    add_device(parser)
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), help="default: the run's")
    args = parser.parse_args(argv)
    saved = load_step(args.step)
    cfg = config_from_dict(saved.config, str(args.step))
    device = choose_device(args.device)
    model = build_model(cfg)
    load_model_state(model, saved.model, str(args.step))
    dtype = resolve_precision(args.precision or cfg.train.precision, device)
    supervised = SupervisedModel(model, JointsMSELoss(), dtype).to(device).train()
    culprits = watch(model)
    encode = build_target_encoder(cfg, model.stride)

    print(f"step {saved.step}, epoch {saved.epoch + 1}, {dtype} on {device}")
    finite = True
    for number, host_batch in enumerate(saved.batches, start=1):
        batch = host_batch.to(device)
        targets, weights = encode(batch)
        loss = supervised(batch, targets, weights)
        loss.backward()
        finite = finite and math.isfinite(loss.item())
        print(f"batch {number}: loss {loss.item()}")
        for person in batch.people:
            print(f"  {person.person_id}")
    norm = gradient_norm(model.parameters()).item()
    print(f"first output that is not finite: {culprits[0] if culprits else 'none'}")
    print(f"norm of the gradient: {norm}")
    repeated = not (finite and math.isfinite(norm))
    print("not finite again" if repeated else "all finite this time")
    return 0 if repeated else 1


def watch(model: nn.Module) -> list[str]:
    """Return a list that gets the names of modules whose outputs are not finite, in order."""
    found: list[str] = []

    def look(name: str) -> Any:  # noqa: ANN401 - a hook
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and not bool(output.isfinite().all()):
                found.append(name)

        return hook

    for name, module in model.named_modules():
        if name:
            module.register_forward_hook(look(name))
    return found


if __name__ == "__main__":
    sys.exit(main())
