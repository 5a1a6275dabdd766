"""Encodings on disk: what comes back, what is refused, what an interruption leaves."""

import errno
import json

import numpy as np
import pytest
import torch

from dcpose.data import kept_encodings
from dcpose.data.augment import Augmentation
from dcpose.data.clip import ClipOptions
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.kept_encodings import KeptEncodings, hash_clips, hash_weights
from dcpose.files.writing import WriteError
from dcpose.structures import ClipBatch

OPTIONS = ClipOptions(crop_wh=(32, 64))
KEY = {"weights": "a" * 64, "seed": 0, "data": {"max_gap": 1, "draws": 2}}
AUGMENTATION = Augmentation(flip_prob=0.5, rotation_prob=1)


@pytest.fixture
def dataset(data_folder):
    data_folder.add_video("000001_test", num_frames=5)
    return PoseTrackClips(data_folder.videos(), OPTIONS, AUGMENTATION, seed=0, draws=2)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "heatmaps"


def heatmaps_of(batch):
    """Stands for a backbone: two maps per frame, made of its pixels."""
    small = batch.frames[:, :, ::4, ::4, :2].movedim(-1, 2)
    return small.float() / 255


def fill(cache, dataset, compute=heatmaps_of):
    cache.fill(dataset, compute, batch_size=2, workers=0, shown=lambda batches, *_: batches)


def test_the_same_clips_come_back(dataset, folder):
    cache = KeptEncodings(folder, KEY, draws=2)
    fill(cache, dataset)
    clips = cache.clips(dataset.people, slice(0, 3))
    assert len(clips) == len(dataset) == 5
    for epoch, index in ((0, 3), (1, 3), (2, 0), (5, 4)):
        ours, theirs = clips[epoch, index], dataset[epoch, index]
        assert ours.person is theirs.person
        for name in ("gaps", "crop_to_image", "joints", "joint_weights"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        expected = heatmaps_of(ClipBatch.stack([theirs]))[0]
        assert ours.encoded.dtype == np.float16
        np.testing.assert_allclose(ours.encoded, expected, atol=2**-11)
    batch = ClipBatch.stack([clips[0, 0], clips[0, 1]])
    assert batch.encoded.shape == (2, 3, 2, 16, 8)
    assert batch.frames.shape[:2] == (2, 0)
    neighbours = cache.clips(dataset.people, slice(1, 3))[0, 0].encoded
    np.testing.assert_array_equal(neighbours, clips[0, 0].encoded[1:])


def test_a_second_fill_computes_nothing(dataset, folder):
    fill(KeptEncodings(folder, KEY, draws=2), dataset)
    fill(KeptEncodings(folder, KEY, draws=2), dataset, compute=None)


def test_views_of_a_draw_come_again(dataset):
    assert not np.array_equal(dataset[0, 1].frames, dataset[1, 1].frames)
    np.testing.assert_array_equal(dataset[0, 1].frames, dataset[2, 1].frames)


def test_another_key_is_refused(dataset, folder):
    fill(KeptEncodings(folder, KEY, draws=2), dataset)
    stale = {**KEY, "weights": "b" * 64, "data": {"max_gap": 3, "draws": 2}}
    with pytest.raises(
        ValueError, match=r"something else \(data.max_gap: 1 there, 3 here; weights\); remove"
    ):
        KeptEncodings(folder, stale, draws=2)
    (folder / "key.json").write_text("{")
    with pytest.raises(ValueError, match="something else"):
        KeptEncodings(folder, KEY, draws=2)


def test_a_folder_of_something_else_is_refused(folder):
    folder.mkdir()
    (folder / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="is not empty and has no key"):
        KeptEncodings(folder, KEY, draws=1)


def test_an_interrupted_fill_leaves_whole_draws_only(dataset, folder):
    calls = []

    def interrupted(batch):
        calls.append(len(batch))
        if len(calls) == 5:  # three batches are the first draw
            raise KeyboardInterrupt
        return heatmaps_of(batch)

    with pytest.raises(KeyboardInterrupt):
        fill(KeptEncodings(folder, KEY, draws=2), dataset, interrupted)
    names = {path.name for path in folder.iterdir()}
    assert names == {"key.json", "draw_000.npy", "draw_000.npz"}
    calls.clear()
    cache = KeptEncodings(folder, KEY, draws=2)
    fill(cache, dataset, lambda batch: calls.append(len(batch)) or heatmaps_of(batch))
    assert calls == [2, 2, 1]  # the other draw
    assert len(cache.clips(dataset.people, slice(0, 3))) == 5


def test_full_disk(dataset, folder, monkeypatch):
    def full(batch):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(WriteError, match=r"draw_000.npy: cannot be written: No space left"):
        fill(KeptEncodings(folder, KEY, draws=2), dataset, full)
    assert [path.name for path in folder.iterdir()] == ["key.json"]
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(kept_encodings.shutil, "disk_usage", lambda _: usage)
    # 2 draws x 5 clips x 3 frames x 2 maps of 16 x 8, 2 bytes each
    with pytest.raises(ValueError, match=r"needs 0.00 GB and 0.00 GB are free; free some space"):
        fill(KeptEncodings(folder, KEY, draws=2), dataset)


def test_hashes_follow_what_they_are_of(dataset, data_folder):
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    assert hash_weights(first) != hash_weights(second)
    second.load_state_dict(first.state_dict())
    assert hash_weights(first) == hash_weights(second)
    before = hash_clips(dataset)
    assert before == hash_clips(dataset)
    path = next(dataset.frame_paths())
    path.write_bytes(path.read_bytes() + b"\0")
    assert hash_clips(dataset) != before


def test_key_is_plain_json(dataset, folder):
    fill(KeptEncodings(folder, {**KEY, "crop_wh": (32, 64)}, draws=1), dataset)
    assert json.loads((folder / "key.json").read_text())["crop_wh"] == [32, 64]
    KeptEncodings(folder, {**KEY, "crop_wh": (32, 64)}, draws=1)


@pytest.mark.parametrize("ending", ["npy", "npz"])
@pytest.mark.parametrize("damage", [lambda data: data[:200], lambda data: b"", lambda data: None])
def test_damaged_files_are_refused(dataset, folder, ending, damage):
    cache = KeptEncodings(folder, KEY, draws=2)
    fill(cache, dataset)
    path = folder / f"draw_001.{ending}"
    left = damage(path.read_bytes())
    path.unlink() if left is None else path.write_bytes(left)
    with pytest.raises(ValueError, match=rf"draw_001\.{ending}: not whole .*; remove"):
        cache.clips(dataset.people, slice(0, 3))


def test_heatmaps_of_other_people_are_refused(dataset, folder):
    cache = KeptEncodings(folder, KEY, draws=1)
    fill(cache, dataset)
    with pytest.raises(ValueError, match=r"shape \(5, 3, 2, 16, 8\) for 4 people"):
        cache.clips(dataset.people[:4], slice(0, 3))


@pytest.mark.parametrize("content", ["[1]", "7", "[" * 10_000])
def test_a_key_that_is_no_object_is_another_one(folder, content):
    folder.mkdir()
    (folder / "key.json").write_text(content)
    with pytest.raises(ValueError, match="something else"):
        KeptEncodings(folder, KEY, draws=1)
