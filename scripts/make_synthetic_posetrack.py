"""The same as `dcpose synthetic`."""

from dcpose.jobs.commands.synthetic import main

if __name__ == "__main__":
    raise SystemExit(main())
