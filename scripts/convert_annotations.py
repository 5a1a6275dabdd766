"""The same as `dcpose convert-annotations`."""

from dcpose.jobs.commands.convert_annotations import main

if __name__ == "__main__":
    raise SystemExit(main())
