"""Where the images of annotation files lie, and that nothing outside is ever read.

Annotation files come from anywhere. The names in them are relative to a folder that the user
chose, and stay below it: absolute paths and `..` are refused. Links belong to whoever keeps the
disk, not to the file, so the folder itself and the folders directly in it may be links to any
place, as people link `images` to another disk. Further down, a link must not leave these.
"""

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from dcpose.formats import fields

MAX_NAME = 1000
"""Characters of an image name."""
NO_TEXT = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories: control characters, surrogates, and what ends a line or paragraph."""


def get_image_name(entry: object, key: str, where: str) -> str:
    """Return the name of an image that an entry of a JSON file gives.

    Raises:
        ValueError: if it is no text, no name of a file, or leads out of the folder of the images.
    """
    name = fields.get_str(entry, key, where)
    fault = name_fault(name)
    if fault is not None:
        raise ValueError(f"{where}: {key} {name[:80]!a} {fault}")
    return name


def name_fault(name: str) -> str | None:
    """Return what is wrong with the name of an image in a file, or None."""
    if len(name) > MAX_NAME:
        return f"has {len(name)} characters, at most {MAX_NAME} are read"
    if any(unicodedata.category(character) in NO_TEXT for character in name):
        return "holds control characters or halves of characters; write the name of a file"
    windows = PureWindowsPath(name)
    if windows.drive or windows.root or ".." in windows.parts:
        return (
            "leads out of the folder of the images; write a path below it, without .. and not from "
            "the root of the disk"
        )
    return None


@dataclass(frozen=True)
class ImagePlace:
    """Where frames lie.

    Attributes:
        root: the folder that image names are relative to.
        folder: folder in the root that takes the place of the `images` that names begin with, or
            is put in front of them; None takes names as they are.
    """

    root: Path
    folder: str | None = None

    @property
    def base(self) -> Path:
        """The folder that names stay below."""
        return self.root if self.folder is None else self.root / self.folder

    def of(self, relative: PurePosixPath) -> Path:
        """Return the place on disk of a path that an annotation file gives."""
        if self.folder is None:
            return self.root / relative
        parts = relative.parts[1:] if relative.parts[:1] == ("images",) else relative.parts
        return Path(self.root, self.folder, *parts)


def numbered_files(
    folder: Path, digits: int, suffix: str
) -> Iterator[tuple[int, os.DirEntry[str]]]:
    """Yield the files of a folder whose names are a number of so many digits, with that number."""
    pattern = re.compile(rf"([0-9]{{{digits}}}){re.escape(suffix)}")
    with os.scandir(folder) as entries:
        for entry in entries:
            if (match := pattern.fullmatch(entry.name)) is not None:
                yield int(match[1]), entry


def link_fault(path: Path, base: Path) -> str | None:
    """Return where a path leads to if links take it out of a folder, in words; else None.

    Args:
        path: below `base`, as far as its name goes.
        base: may be a link itself, and may hold folders that are links.
    """
    real = os.path.realpath(path)
    places = [os.path.realpath(base)]
    parts = path.relative_to(base).parts if path.is_relative_to(base) else ()
    if len(parts) > 1 or (parts and path.is_dir()):
        places.append(os.path.realpath(base / parts[0]))
    if any(os.path.commonpath([real, place]) == place for place in places):
        return None
    return (
        f"links lead to {real}, out of {base}; link that folder itself or one directly in it, or "
        "copy what belongs there"
    )
