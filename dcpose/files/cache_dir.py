"""Where files that are kept between runs lie."""

import os
from pathlib import Path


def default_cache_dir() -> Path:
    """Return the folder for caches of the current user: $XDG_CACHE_HOME/dcpose or the like."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "dcpose"
