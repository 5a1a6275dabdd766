"""The same as `dcpose evaluate`."""

from dcpose.jobs.commands.evaluate import main

if __name__ == "__main__":
    raise SystemExit(main())
