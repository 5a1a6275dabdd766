"""HOTA against values worked out by hand from TrackEval's definition."""

import numpy as np
import pytest

from dcpose.evaluation.hota import LIMITS, HotaCounts, video_counts


def frame(people, predictions, similarity):
    shape = len(people), len(predictions)
    return np.array(people), np.array(predictions), np.array(similarity, float).reshape(shape)


def test_limits():
    np.testing.assert_allclose(LIMITS, np.linspace(0.05, 0.95, 19))


def test_perfect_tracks():
    counts = video_counts([frame([1, 2], [7, 8], [[1, 0], [0, 1]])] * 5)
    assert counts.values == pytest.approx({"HOTA": 100, "DetA": 100, "AssA": 100, "LocA": 100})


def test_an_identity_that_changes_half_way():
    # found in all 4 frames; each match shares 2 of 4 frames with its identity: 2 / (4 + 2 - 2)
    counts = video_counts([frame([1], [7], [1])] * 2 + [frame([1], [8], [1])] * 2)
    np.testing.assert_allclose(counts.detection_accuracy, 1)
    np.testing.assert_allclose(counts.association_accuracy, 0.5)
    assert counts.values["HOTA"] == pytest.approx(100 * np.sqrt(0.5))


def test_misses_and_false_positives():
    # 2 of 4 frames found, and one prediction of nobody: DetA 2/5; the identity is seen in 3
    # frames, so matches have 2 / (4 + 3 - 2)
    frames = [frame([1], [7], [1])] * 2 + [frame([1], [], []), frame([1], [7], [0])]
    counts = video_counts(frames)
    assert counts.true_positives[0] == 2
    assert counts.false_negatives[0] == 2
    assert counts.false_positives[0] == 1
    assert counts.values["DetA"] == pytest.approx(40)
    assert counts.values["AssA"] == pytest.approx(40)
    assert counts.values["HOTA"] == pytest.approx(40)


def test_similarity_decides_at_how_many_limits_a_person_is_found():
    # 0.5 is enough for 10 of 19 limits, the limit itself included
    counts = video_counts([frame([1], [7], [0.5])] * 3)
    assert (counts.true_positives > 0).sum() == 10
    assert counts.values["HOTA"] == pytest.approx(100 * 10 / 19)
    assert counts.values["LocA"] == pytest.approx((10 * 50 + 9 * 100) / 19)


def test_the_match_of_a_frame_serves_the_whole_video():
    # in the second frame 8 resembles person 1 more, but 7 is who it is in the others
    frames = [frame([1], [7], [0.9]), frame([1], [7, 8], [0.6, 0.7]), frame([1], [7], [0.9])]
    counts = video_counts(frames)
    assert counts.association_accuracy[0] == 1
    assert counts.false_positives[0] == 1


def test_videos_add_up():
    one = video_counts([frame([1], [7], [1])])
    other = video_counts([frame([1], [], [])])
    both = one + other
    assert both.detection_accuracy[0] == 0.5
    assert both.association_accuracy[0] == 1


def test_identities_are_of_one_video():
    # equal numbers in two videos are different people
    video = [frame([1], [7], [1])] * 2
    assert (video_counts(video) + video_counts(video)).values["HOTA"] == pytest.approx(100)


def test_nobody():
    assert video_counts([]).values["HOTA"] == 0
    assert video_counts([frame([], [], [])]).values["HOTA"] == 0
    assert HotaCounts.none().values["HOTA"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_equals_trackeval(seed):
    hota = pytest.importorskip("trackeval.metrics.hota", reason="needs the package trackeval")
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(12):
        people = rng.permutation(4)[: rng.integers(0, 5)]
        predictions = rng.permutation(5)[: rng.integers(0, 6)]
        similarity = rng.random((len(people), len(predictions))).round(2)
        # most of the time the prediction of the same number is the right one
        similarity[people[:, None] == predictions[None]] += 0.5 * rng.random()
        frames.append(frame(people, predictions, np.minimum(similarity, 1)))
    theirs = hota.HOTA().eval_sequence(
        {
            "num_gt_ids": 4,
            "num_tracker_ids": 5,
            "num_gt_dets": sum(len(people) for people, _, _ in frames),
            "num_tracker_dets": sum(len(predictions) for _, predictions, _ in frames),
            "gt_ids": [people for people, _, _ in frames],
            "tracker_ids": [predictions for _, predictions, _ in frames],
            "similarity_scores": [similarity for _, _, similarity in frames],
        }
    )
    ours = video_counts(frames).values
    assert ours == pytest.approx({name: 100 * theirs[name].mean() for name in ours})
