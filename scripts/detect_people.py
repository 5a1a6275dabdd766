"""The same as `dcpose detect`."""

from dcpose.jobs.commands.detect import main

if __name__ == "__main__":
    raise SystemExit(main())
