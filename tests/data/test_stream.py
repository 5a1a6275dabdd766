"""Inference clips: order, batches, decode counts, threads, sharding."""

import threading

import numpy as np
import pytest

from dcpose.data.clip import ClipOptions
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.frames import FrameError
from dcpose.data.stream import ClipStream, shard_videos

OPTIONS = ClipOptions(crop_wh=(96, 128))


def stream(data_folder, options=OPTIONS, batch_size=4, **kwargs):
    videos = data_folder.videos()
    people = {video.name: video.people for video in videos}
    return ClipStream(videos, people, options, batch_size, read=data_folder.read, **kwargs)


def grey_levels(batches):
    """20 + 10 * number of the frame that each crop of each clip comes from."""
    return [clip[:, 64, 48, 0].tolist() for batch in batches for clip in batch.frames]


def test_clips(data_folder):
    data_folder.add_video("000001_test", num_frames=4)
    batches = list(stream(data_folder))
    assert grey_levels(batches) == [[20, 20, 30], [20, 30, 40], [30, 40, 50], [40, 50, 50]]
    assert batches[0].joints is None


def test_wider_window(data_folder):
    data_folder.add_video("000001_test", num_frames=4)
    batches = list(stream(data_folder, ClipOptions(crop_wh=(96, 128), max_gap=2)))
    assert grey_levels(batches) == [[20, 20, 40], [20, 30, 50], [20, 40, 50], [30, 50, 50]]
    assert batches[0].gaps.tolist() == [[1, 2], [1, 2], [2, 1], [2, 1]]


def test_stream_and_dataset_cut_the_same_crops(data_folder):
    data_folder.add_video("000001_test", num_frames=3, people=2)
    texture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    videos = data_folder.videos()
    dataset = PoseTrackClips(videos, OPTIONS, None, seed=0, read=lambda path: texture)
    people = {video.name: video.people for video in videos}
    (batch,) = ClipStream(videos, people, OPTIONS, 8, read=lambda path: texture)
    for index in range(6):
        np.testing.assert_array_equal(batch.frames[index], dataset[index].frames)
        np.testing.assert_array_equal(batch.crop_to_image[index], dataset[index].crop_to_image)


@pytest.mark.parametrize("people", [1, 8])
@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("max_gap", [1, 3])
def test_every_needed_frame_is_decoded_once(data_folder, people, workers, max_gap):
    data_folder.add_video("000001_test", num_frames=12, people=people, labelled={0, 4, 5, 11})
    data_folder.add_video("000002_test", num_frames=5, people=people, labelled={})
    options = ClipOptions(crop_wh=(96, 128), max_gap=max_gap)
    batches = list(stream(data_folder, options, workers=workers))
    assert sum(map(len, batches)) == 4 * people
    # both sides of each labelled frame: farthest within max_gap, inside the clip of 12 frames
    needed = {1: {0, 1, 3, 4, 5, 6, 10, 11}, 3: {0, 3, 1, 4, 7, 2, 5, 8, 11}}[max_gap]
    assert {int(path.stem): count for path, count in data_folder.decoded.items()} == dict.fromkeys(
        needed, 1
    )


def test_models_of_one_frame_decode_one_frame(data_folder):
    data_folder.add_video("000001_test", labelled={2, 3}, people=2)
    options = ClipOptions(crop_wh=(96, 128), frames=(0,))
    batches = list(stream(data_folder, options))
    assert batches[0].frames.shape == (4, 1, 128, 96, 3)
    assert sorted(path.stem for path in data_folder.decoded) == ["000002", "000003"]


def test_five_frames_are_decoded_once_each(data_folder):
    data_folder.add_video("000001_test", num_frames=8, labelled={0, 3, 4}, people=2)
    options = ClipOptions(crop_wh=(96, 128), frames=(-2, -1, 0, 1, 2))
    batches = list(stream(data_folder, options, workers=2))
    assert grey_levels(batches)[::2] == [
        [20, 20, 20, 30, 40], [30, 40, 50, 60, 70], [40, 50, 60, 70, 80]
    ]  # fmt: skip
    assert batches[0].gaps[::2].tolist() == [[1, 1, 1, 1], [1, 1, 1, 1]]
    assert set(data_folder.decoded.values()) == {1}
    assert len(data_folder.decoded) == 7


def test_batches_fill_across_frames_but_not_across_videos(data_folder):
    data_folder.add_video("000001_test", num_frames=3, people=3)
    data_folder.add_video("000002_test", num_frames=1, people=5)
    ours = stream(data_folder)
    batches = list(ours)
    assert [len(batch) for batch in batches] == [4, 4, 1, 4, 1]
    assert len(ours) == 5
    assert ours.num_people == 14
    assert [{p.video for p in batch.people} for batch in batches[2:4]] == [
        {"000001_test"},
        {"000002_test"},
    ]
    assert len(list(ours)) == 5  # a stream can be walked again


def test_people_come_in_the_order_of_frames(data_folder):
    data_folder.add_video("000001_test", num_frames=3, people=2)
    (video,) = data_folder.videos()
    people = {video.name: [video.people[i] for i in (4, 0, 3, 1, 5, 2)]}
    (batch,) = ClipStream([video], people, OPTIONS, batch_size=8)
    assert batch.people == [video.people[i] for i in (0, 1, 3, 2, 4, 5)]


def test_only_a_window_of_frames_is_kept(data_folder):
    data_folder.add_video("000001_test", num_frames=60)
    seen = []

    class Frame(np.ndarray):
        alive = 0

        def __del__(self):
            Frame.alive -= 1

    def read(path):
        frame = np.zeros((120, 160, 3), np.uint8).view(Frame)
        Frame.alive += 1
        seen.append(Frame.alive)
        return frame

    videos = data_folder.videos()
    people = {video.name: video.people for video in videos}
    assert sum(map(len, ClipStream(videos, people, OPTIONS, 1, workers=2, read=read))) == 60
    # three of the clip, four decoded ahead, and the three that the last clip has just let go
    assert max(seen) <= 10


def test_nothing_to_do(data_folder):
    data_folder.add_video("000001_test", labelled={})
    ours = stream(data_folder)
    assert list(ours) == []
    assert len(ours) == 0


def test_missing_frames_are_found_at_once(data_folder):
    data_folder.add_video("000001_test", labelled={2})
    data_folder.videos()[0].frame_path(1).unlink()
    with pytest.raises(FrameError, match=r"000001\.jpg: neighbour frame not found"):
        stream(data_folder)
    repeating = ClipOptions(crop_wh=(96, 128), missing_neighbors="repeat")
    assert grey_levels(stream(data_folder, repeating)) == [[40, 40, 50]]


@pytest.mark.parametrize("workers", [1, 4])
def test_damaged_frame_stops_the_stream_and_its_threads(data_folder, workers):
    data_folder.add_video("000001_test", num_frames=20)
    path = data_folder.videos()[0].frame_path(12)
    path.write_bytes(path.read_bytes()[:-20])
    before = threading.active_count()
    batches = iter(stream(data_folder, batch_size=1, workers=workers))
    for _ in range(11):  # frame 11 is the first whose clip needs frame 12
        next(batches)
    with pytest.raises(FrameError, match=r"000012\.jpg: truncated JPEG"):
        next(batches)
    assert threading.active_count() == before


def test_leaving_early_ends_the_threads(data_folder):
    data_folder.add_video("000001_test", num_frames=30)
    before = threading.active_count()
    batches = iter(stream(data_folder, batch_size=1, workers=2))
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before
    assert data_folder.decoded.total() < 15


def test_batches_are_made_ahead_of_the_consumer(data_folder):
    data_folder.add_video("000001_test", num_frames=8)
    decoded = threading.Event()

    def read(path):
        if path.stem == "000003":
            decoded.set()
        return data_folder.read(path)

    videos = data_folder.videos()
    people = {video.name: video.people for video in videos}
    batches = iter(ClipStream(videos, people, OPTIONS, 1, read=read))
    next(batches)  # frames 0 and 1; the consumer asks for nothing more
    assert decoded.wait(timeout=30)
    batches.close()


def test_resized_neighbour_is_refused_even_if_the_file_gives_no_size(data_folder):
    data_folder.add_video("000001_test", num_frames=3, labelled={1})
    (video,) = data_folder.videos()
    image = {"id": 1, "file_name": video.images[1]["file_name"], "nframes": 3}
    person = data_folder.person(1)
    data_folder.write("000001_test", images=[image], annotations=[person])

    def read(path):
        return np.zeros((60, 80, 3) if path.stem == "000002" else (120, 160, 3), np.uint8)

    videos = data_folder.videos()
    people = {video.name: video.people for video in videos}
    with pytest.raises(FrameError, match=r"000002\.jpg: frame is 80x60, expected 160x120"):
        list(ClipStream(videos, people, OPTIONS, 1, read=read))


def test_empty_batches_are_refused(data_folder):
    data_folder.add_video("000001_test")
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        stream(data_folder, batch_size=0)


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_shards(data_folder, world_size):
    for index, people in enumerate([1, 5, 2, 4, 0]):
        data_folder.add_video(f"00000{index}_test", num_frames=1, people=people)
    videos = data_folder.videos()
    people = {video.name: video.people for video in videos}
    shards = [shard_videos(videos, people, rank, world_size) for rank in range(world_size)]
    assert sorted(v.name for shard in shards for v in shard) == [v.name for v in videos]
    for shard in shards:
        assert [v.name for v in shard] == sorted(v.name for v in shard)
    loads = [sum(len(v.people) for v in shard) for shard in shards]
    # 12 people in videos of 5, 4, 2, 1, 0: shared out as evenly as whole videos allow
    assert sorted(loads) == {1: [12], 2: [6, 6], 3: [3, 4, 5], 7: [0, 0, 0, 1, 2, 4, 5]}[world_size]


def test_batches_do_not_depend_on_the_number_of_processes(data_folder):
    for index in range(4):
        data_folder.add_video(f"00000{index}_test", num_frames=2, people=index + 1)
    videos = data_folder.videos()
    people = {video.name: video.people for video in videos}

    def batches(videos):
        return [
            tuple(person.person_id for person in batch.people)
            for batch in ClipStream(videos, people, OPTIONS, batch_size=3)
        ]

    shared = [batches(shard_videos(videos, people, rank, 2)) for rank in range(2)]
    assert sorted(shared[0] + shared[1]) == sorted(batches(videos))
