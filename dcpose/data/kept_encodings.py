"""What a frozen backbone encodes for every training clip, on disk, so that training skips it.

A folder holds `key.json`, what the encodings depend on, and for each draw (a set of views and
neighbours, see `PoseTrackClips`) two files, written in one step each:

    draw_000.npz    gaps, crop_to_image, joints, joint_weights of all N clips
    draw_000.npy    (N, F, C, h, w) float16 heatmaps or features, opened as a memory map

A folder whose key is another one is refused, never silently filled anew.
"""

import hashlib
import io
import json
import logging
import shutil
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dcpose.data.dataset import PoseTrackClips
from dcpose.files.listing import list_folder
from dcpose.files.reading import MAX_JSON_BYTES, parse_json, read_bounded
from dcpose.files.writing import replacing, write_bytes, write_text
from dcpose.structures import ClipBatch, ClipSample, PersonRecord

Key = dict[str, Any]
"""What encodings depend on: parts by name, plain JSON values."""

_LABELS = ("gaps", "crop_to_image", "joints", "joint_weights")

_log = logging.getLogger(__name__)


def hash_weights(module: nn.Module) -> str:
    """Return a digest of names and values of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def hash_clips(dataset: PoseTrackClips) -> str:
    """Return a digest of people, boxes, joints, and size and time of the image files."""
    digest = hashlib.sha256()
    for person in dataset.people:
        digest.update(f"{person.person_id} {person.track_id}".encode())
        digest.update(person.box_xywh.tobytes())
        digest.update(np.asarray(person.joints).tobytes())
    for path in dataset.frame_paths():
        status = path.stat() if path.exists() else None
        stamp = None if status is None else (status.st_size, status.st_mtime_ns)
        digest.update(f"{path.name} {stamp}".encode())
    return digest.hexdigest()


class KeptEncodings:
    """A folder of encodings.

    Args:
        folder: where they are, or will be.
        key: what they depend on.
        draws: sets of views and neighbours.

    Raises:
        ValueError: if the folder holds encodings of another key, or is none of ours.
    """

    def __init__(self, folder: Path, key: Key, draws: int) -> None:
        self.folder = folder
        self.draws = draws
        self._key = json.loads(json.dumps(key))  # as it comes back from the file
        self._check_key()

    def fill(
        self,
        dataset: PoseTrackClips,
        encode: Callable[[ClipBatch], Tensor],
        batch_size: int,
        workers: int,
        shown: Callable[[Iterable[ClipBatch], str, int], Iterable[ClipBatch]],
    ) -> None:
        """Compute what is missing.

        Args:
            dataset: training clips.
            encode: the backbone's encodings (B, F, C, h, w) of a batch in host memory.
            batch_size: clips in a call.
            workers: see `make_train_loader`.
            shown: passes batches on and shows progress: (batches, title, number of batches).

        Raises:
            ValueError: if there is not enough space on the disk.
            WriteError: if writing fails; files that were complete before stay.
        """
        missing = [draw for draw in range(self.draws) if not self._path(draw, "npy").exists()]
        if not missing:
            _log.info("encodings of the backbone: read from %s", self.folder)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "key.json", json.dumps(self._key, indent=1) + "\n")
        for number, draw in enumerate(missing):
            loader: DataLoader[ClipBatch] = DataLoader(
                dataset,  # type: ignore[arg-type]  # yields ClipSample, stacked to ClipBatch
                batch_size=batch_size,
                sampler=[(draw, index) for index in range(len(dataset))],
                num_workers=workers,
                collate_fn=ClipBatch.stack,
            )
            title = f"encodings of the backbone, draw {draw + 1}/{self.draws}"
            batches = shown(loader, title, len(loader))
            self._write(draw, batches, encode, len(dataset), len(missing) - number)

    def _write(
        self,
        draw: int,
        batches: Iterable[ClipBatch],
        encode: Callable[[ClipBatch], Tensor],
        clips: int,
        draws_left: int,
    ) -> None:
        labels: dict[str, list[np.ndarray]] = {name: [] for name in _LABELS}
        with replacing(self._path(draw, "npy")) as temporary, temporary.open("wb") as file:
            for batch in batches:
                rows = encode(batch).to("cpu", torch.float16).numpy()
                if file.tell() == 0:
                    shape = (clips, *rows.shape[1:])
                    self._check_space(draws_left * clips * rows[0].nbytes)
                    np.lib.format.write_array_header_1_0(
                        file, {"descr": "<f2", "fortran_order": False, "shape": shape}
                    )
                # not through a memory map: a full disk would end the process without a word
                file.write(rows.tobytes())
                for name, arrays in labels.items():
                    arrays.append(getattr(batch, name).numpy())
            buffer = io.BytesIO()
            np.savez(buffer, **{name: np.concatenate(labels[name]) for name in _LABELS})  # type: ignore[arg-type]
            write_bytes(self._path(draw, "npz"), buffer.getvalue())

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.folder).free
        _log.info("encodings of the backbone: %.2f GB go to %s", needed / 1e9, self.folder)
        if needed > free:
            raise ValueError(
                f"train.cache_encodings: {self.folder} needs {needed / 1e9:.2f} GB and "
                f"{free / 1e9:.2f} GB are free; free some space, name a folder elsewhere, or lower "
                f"data.draws"
            )

    def clips(self, people: Sequence[PersonRecord], used: slice) -> "CachedClips":
        """Return the data set of these people, with encodings of the frames that a model sees.

        Raises:
            ValueError: if a file is missing or damaged.
        """
        draws = []
        for draw in range(self.draws):
            encodings = self._read(draw, "npy")
            if encodings.ndim != 5 or len(encodings) != len(people):
                raise self._damaged(
                    draw, "npy", f"shape {encodings.shape} for {len(people)} people"
                )
            labels = self._read(draw, "npz")
            draws.append((encodings[:, used], labels))
        return CachedClips(people, draws)

    def _read(self, draw: int, ending: str) -> Any:  # noqa: ANN401 - an array, or arrays by name
        path = self._path(draw, ending)
        try:
            if ending == "npy":
                return np.load(path, mmap_mode="r", allow_pickle=False)
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in _LABELS}
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise self._damaged(draw, ending, str(error)) from error

    def _damaged(self, draw: int, ending: str, found: str) -> ValueError:
        return ValueError(
            f"{self._path(draw, ending)}: not whole ({found}); remove {self.folder}, and the "
            f"encodings are made again"
        )

    def _path(self, draw: int, ending: str) -> Path:
        return self.folder / f"draw_{draw:03d}.{ending}"

    def _check_key(self) -> None:
        path = self.folder / "key.json"
        if not path.exists():
            if list_folder(self.folder):
                raise ValueError(
                    f"train.cache_encodings: {self.folder} is not empty and has no key.json; "
                    f"name a new folder"
                )
            return
        try:
            found = parse_json(read_bounded(path, MAX_JSON_BYTES))
        except ValueError:
            found = {}
        if found != self._key:
            different = "; ".join(_differences(found if isinstance(found, dict) else {}, self._key))
            raise ValueError(
                f"train.cache_encodings: {self.folder} holds encodings of something else "
                f"({different}); remove the folder or name another one"
            )


def _differences(found: Key, expected: Key) -> list[str]:
    """Return what differs, part by part, values where they are short."""
    lines = []
    for name in sorted(found.keys() | expected.keys()):
        there, here = found.get(name), expected.get(name)
        if isinstance(there, dict) and isinstance(here, dict):
            lines += [f"{name}.{line}" for line in _differences(there, here)]
        elif there != here:
            short = max(len(str(there)), len(str(here))) < 60
            lines.append(f"{name}: {there} there, {here} here" if short else name)
    return lines


class CachedClips(Dataset[ClipSample]):
    """Clips whose crops are replaced by encodings; keys as for `PoseTrackClips`."""

    def __init__(
        self, people: Sequence[PersonRecord], draws: Sequence[tuple[np.ndarray, dict[str, Any]]]
    ) -> None:
        self.people = people
        self._draws = draws

    def __len__(self) -> int:
        """Number of people."""
        return len(self.people)

    def __getitem__(self, key: int | tuple[int, int]) -> ClipSample:
        """Return the sample of person i, for key i (epoch 0) or (epoch, i)."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        encodings, labels = self._draws[epoch % len(self._draws)]
        return ClipSample(
            person=self.people[index],
            frames=np.empty((0, 0, 0, 3), np.uint8),
            encoded=np.array(encodings[index]),
            **{name: labels[name][index] for name in _LABELS},
        )
