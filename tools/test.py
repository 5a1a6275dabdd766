"""The same as `dcpose test`."""

from dcpose.jobs.commands.test import main

if __name__ == "__main__":
    raise SystemExit(main())
