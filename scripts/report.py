"""The same as `dcpose report`."""

from dcpose.jobs.commands.report import main

if __name__ == "__main__":
    raise SystemExit(main())
