"""The same as `dcpose check`."""

from dcpose.jobs.commands.check import main

if __name__ == "__main__":
    raise SystemExit(main())
