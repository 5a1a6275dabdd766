"""The same as `dcpose export`."""

from dcpose.jobs.commands.export import main

if __name__ == "__main__":
    raise SystemExit(main())
