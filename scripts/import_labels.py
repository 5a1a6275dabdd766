"""The same as `dcpose import`."""

from dcpose.jobs.commands.import_labels import main

if __name__ == "__main__":
    raise SystemExit(main())
