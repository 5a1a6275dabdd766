"""The same as `dcpose val`."""

from dcpose.jobs.commands.val import main

if __name__ == "__main__":
    raise SystemExit(main())
