"""The same as `dcpose infer`."""

from dcpose.jobs.commands.infer import main

if __name__ == "__main__":
    raise SystemExit(main())
