"""Clips with other neighbours: which frames, which gaps, whose, and in what order."""

import pytest

from dcpose.data.clip import ClipOptions
from dcpose.data.other_neighbors import OtherNeighbors, lenders
from dcpose.data.stream import ClipStream, shard_videos

OPTIONS = ClipOptions(crop_wh=(96, 128), max_gap=2)


def stream(data_folder, videos, people=None, batch_size=4):
    people = people or {video.name: video.people for video in videos}
    return ClipStream(videos, people, OPTIONS, batch_size, read=data_folder.read)


def numbers(batches):
    """Number of the frame that each crop of each clip comes from."""
    return [
        [round((grey - 20) / 10) for grey in clip[:, 64, 48, 0].tolist()]
        for batch in batches
        for clip in batch.frames
    ]


def test_current_and_reversed(data_folder):
    data_folder.add_video("000001_test", num_frames=4)
    own = stream(data_folder, data_folder.videos())
    assert numbers(own) == [[0, 0, 2], [0, 1, 3], [0, 2, 3], [1, 3, 3]]
    (batch,) = own

    (repeated,) = OtherNeighbors(own, "current")
    assert numbers([repeated]) == [[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 3, 3]]
    assert repeated.gaps.tolist() == batch.gaps.tolist()

    (backward,) = OtherNeighbors(own, "reversed")
    assert numbers([backward]) == [[2, 0, 0], [3, 1, 0], [3, 2, 0], [3, 3, 1]]
    assert backward.gaps.tolist() == [[2, 1], [2, 1], [1, 2], [1, 2]]
    assert backward.people == batch.people
    assert (len(OtherNeighbors(own, "current")), OtherNeighbors(own, "current").num_people) == (
        1,
        4,
    )


def test_other_video(data_folder):
    data_folder.add_video("000001_test", num_frames=8, people=2, labelled={0, 1, 2})
    data_folder.add_video("000002_test", num_frames=1, labelled={})
    data_folder.add_video("000003_test", num_frames=16, labelled={9, 13})
    videos = data_folder.videos()
    people = {video.name: video.people for video in videos}
    lent = stream(data_folder, *lenders(videos, people, videos))
    own = stream(data_folder, videos)
    batches = list(OtherNeighbors(own, "other_video", lent))
    # six people of the first video share the two of the third, whose frames 9 and 13 are labelled
    assert numbers(batches) == [
        [7, 0, 11], [7, 0, 11], [7, 1, 11], [11, 1, 15], [11, 2, 15], [11, 2, 15],
        [0, 9, 2], [0, 13, 3],
    ]  # fmt: skip
    plain = list(own)
    assert [b.gaps.tolist() for b in batches] == [b.gaps.tolist() for b in plain]
    assert [b.people for b in batches] == [b.people for b in plain]


def test_neighbours_do_not_depend_on_the_number_of_processes(data_folder):
    for index, count in enumerate([3, 1, 2]):
        data_folder.add_video(f"00000{index}_test", num_frames=2, people=count)
    videos = data_folder.videos()
    people = {video.name: video.people for video in videos}

    def pairs(mine):
        followers, chosen = lenders(mine, people, videos)
        return {
            video.name: [person.person_id for person in chosen[other.name]]
            for video, other in zip(mine, followers, strict=True)
        }

    shared = [pairs(shard_videos(videos, people, rank, 2)) for rank in range(2)]
    assert shared[0] | shared[1] == pairs(videos)
    assert {name: len(chosen) for name, chosen in pairs(videos).items()} == {
        name: len(own) for name, own in people.items()
    }


def test_one_video_has_no_other(data_folder):
    data_folder.add_video("000001_test", num_frames=2)
    videos = data_folder.videos()
    people = {video.name: video.people for video in videos}
    with pytest.raises(ValueError, match=r"other_video needs people in at least two videos"):
        lenders(videos, people, videos)
