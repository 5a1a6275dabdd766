"""Started twice, with the environment that torchrun sets: trains three epochs together.

    python two_ranks.py RUN_DIR [--resume] [--kill-in-epoch N | --stop-in-epoch N]

In that epoch, counted from 0, rank 1 kills itself, or gets SIGTERM.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

import torch
from engine_fakes import make_batch, make_trainer

from dcpose.cli import reports_user_errors
from dcpose.engine.distributed import process_group, rank
from dcpose.engine.faults.interruption import StopRequest
from dcpose.engine.faults.lost import explained_faults
from dcpose.engine.run.progress import set_up_logging
from dcpose.engine.run.randomness import seed_everything

TIMEOUT_S = 120
"""A process that was killed is noticed at once; a busy machine is slow to start one."""


class Disturbed(list):
    """Batches of which the second comes with a signal to the process itself."""

    number = signal.SIGKILL

    def __iter__(self):
        for index, batch in enumerate(super().__iter__()):
            if index == 1:
                os.kill(os.getpid(), self.number)
            yield batch


@reports_user_errors
def main(argv=None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--kill-in-epoch", type=int)
    parser.add_argument("--stop-in-epoch", type=int)
    args = parser.parse_args(argv)

    def batches(epoch):
        made = [make_batch(2, seed=100 * epoch + 10 * rank() + i) for i in range(5)]
        if rank() == 0 or epoch not in (args.kill_in_epoch, args.stop_in_epoch):
            return made
        disturbed = Disturbed(made)
        if epoch == args.stop_in_epoch:
            disturbed.number = signal.SIGTERM
        return disturbed

    torch.set_num_threads(1)
    with process_group("cpu", timeout_s=TIMEOUT_S):
        seed_everything(3 + rank())
        trainer = make_trainer(args.run_dir, train_batches=batches, save_every=2)
        set_up_logging(trainer.run.train_log)
        if args.resume:
            trainer.resume(trainer.run.last)
        with StopRequest() as trainer.stop, explained_faults(TIMEOUT_S):
            trainer.fit()
        if rank() == 0:
            torch.save(trainer.state.model.state_dict(), args.run_dir / "weights.pt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
