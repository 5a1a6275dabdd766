"""What a folder holds, without the files that operating systems put between those of the user.

Copies through exFAT, SMB and zip carry `._000000.jpg` beside `000000.jpg` (AppleDouble), macOS
leaves `.DS_Store` behind, and interrupted writers `.name.tmp`. Nothing that begins with a dot is
data.
"""

import os
from pathlib import Path


def is_hidden(name: str) -> bool:
    """Say whether a name, or a folder in front of it, begins with a dot."""
    return any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))


def list_folder(folder: Path, ending: str = "") -> list[Path]:
    """Return what a folder holds, sorted by name, but for hidden names.

    Args:
        folder: one that does not exist, or is no folder, holds nothing.
        ending: what names end with.

    Raises:
        OSError: if the folder may not be read.
    """
    if not folder.is_dir():
        return []
    names = sorted(name for name in os.listdir(folder) if name.endswith(ending))
    return [folder / name for name in names if not is_hidden(name)]


def list_tree(folder: Path) -> list[Path]:
    """Return the files in a folder and the folders in it, sorted, but for hidden names."""
    files = []
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not is_hidden(name)]
        files += [Path(place, name) for name in names if not is_hidden(name)]
    return sorted(files)
