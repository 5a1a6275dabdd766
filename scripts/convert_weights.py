"""The same as `dcpose convert`."""

from dcpose.jobs.commands.convert_weights import main

if __name__ == "__main__":
    raise SystemExit(main())
