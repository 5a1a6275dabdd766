"""The command `dcpose`, as `python -m dcpose`."""

from dcpose.cli import main

raise SystemExit(main())
