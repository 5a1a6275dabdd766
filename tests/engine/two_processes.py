"""Started twice, with the environment that torchrun sets: one epoch on half the clips each.

    python two_processes.py RUN_DIR

Writes RUN_DIR/rank<n>.pt with what this process saw.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from engine_fakes import make_trainer
from test_distributed import PlainModel, shard

from dcpose.engine import distributed
from dcpose.engine.encodings import TrainingSource
from dcpose.engine.run.progress import set_up_logging


def main() -> None:
    run_dir = Path(sys.argv[1])
    try:
        distributed.rank()
        refused = "no error"
    except RuntimeError as error:
        refused = str(error)
    with distributed.process_group("cpu"):
        rank = distributed.rank()
        model = PlainModel(start=float(rank))
        trainer = make_trainer(
            run_dir,
            model=model,
            train_batches=lambda epoch: shard(rank, 2),
            optimizer="sgd",
            epochs=1,
            accumulate=2,
            log_every=1,
            ema_decay=0.5,
            validate=lambda model: {"AP": 10.0 + rank},
        )
        set_up_logging(trainer.run.train_log)
        model.statistics.fill_(rank + 5)
        trainer.fit()
        uneven = "no error"
        trainer.settings = replace(trainer.settings, epochs=2)
        trainer.source = TrainingSource(lambda epoch, skip=0: shard(0, 2)[: 1 + rank])
        try:
            trainer.fit()
        except ValueError as error:
            uneven = str(error)
        seen = {
            "refused": refused,
            "uneven": uneven,
            "weights": model.state_dict(),
            "average": trainer.state.average.module.state_dict(),
            "gathered": distributed.gather_objects(rank * 10),
            "broadcast": distributed.broadcast_object(f"from {rank}"),
            "best_ap": trainer.state.best_ap,
        }
        torch.save(seen, run_dir / f"rank{rank}.pt")


if __name__ == "__main__":
    main()
