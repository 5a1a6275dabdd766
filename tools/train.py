"""The same as `dcpose train`."""

from dcpose.jobs.commands.train import main

if __name__ == "__main__":
    raise SystemExit(main())
