"""Kinds of scenes: what they show, and that the same seed gives the same videos."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from dcpose.skeleton import POSETRACK
from dcpose.synthetic.actions import ACTIONS
from dcpose.synthetic.scene import MARGIN, draw_seat, draw_table, photo_background, read_photo
from dcpose.synthetic.setting import STREET, make_settings
from dcpose.synthetic.video import Video

WH = (160, 120)
(ANYWHERE,) = make_settings("anywhere")


@pytest.fixture(scope="module")
def videos():
    made = []
    for seed in range(12):
        video = Video(4, WH, np.random.default_rng([3, seed]), ANYWHERE)
        made.append((video, list(video), video.truth))
    return made


def test_street_is_the_default():
    assert make_settings("street") == (STREET,)


def test_both_is_one_street_in_three_and_mostly_clear():
    places = make_settings("both")
    assert [place.pitch == STREET.pitch for place in places] == [False, True, False]
    made = [Video(8, WH, np.random.default_rng([4, n]), places[n % 3]) for n in range(24)]
    assert 0.3 < np.mean([not video._bursts for video in made]) < 0.9


def test_a_crowd_has_four_people_at_least_who_stand_close_together():
    (crowd,) = make_settings("crowd")
    assert sum(crowd.people) == pytest.approx(1)
    made = [Video(1, WH, np.random.default_rng([5, n]), crowd) for n in range(24)]
    assert {len(video.actors) for video in made} == set(range(4, 11))
    gaps = [
        np.abs(actor.feet[0, 0] - other.feet[0, 0]) / actor.scale[0]
        for video in made
        for number, actor in enumerate(video.actors)
        for other in video.actors[:number]
    ]
    assert np.mean(np.array(gaps) < 0.7) > 0.15  # metres


def test_at_tables_most_people_sit_and_many_joints_are_behind_furniture():
    (tables,) = make_settings("tables")
    made = [Video(1, WH, np.random.default_rng([7, n]), tables) for n in range(24)]
    for video in made:
        list(video)
    actions = [actor.action for video in made for actor in video.actors]
    assert actions.count("sit") > 0.35 * len(actions)
    assert np.mean([video._hidden[2].any() for video in made]) > 0.5


def test_varied_people_are_seen_from_every_side_and_walk_anywhere():
    (varied,) = make_settings("varied")
    made = [Video(1, WH, np.random.default_rng([8, n]), varied) for n in range(60)]
    actors = [actor for video in made for actor in video.actors]
    ahead = np.array([actor.motion.torso[0, 2, 2] for actor in actors])  # towards the camera
    assert 0.25 < (ahead < -0.3).mean() < 0.45
    walking = np.array([actor.action in ("walk", "run") for actor in actors])
    assert (np.abs(ahead[walking]) > 0.9).any()


def test_pieces_of_pictures_lie_behind_people_and_on_furniture(tmp_path):
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((90, 120, 3), (0, 250, 0), np.uint8))
    (varied,) = make_settings("varied", tmp_path)
    plain = replace(varied, pieces=0)
    green = []
    for setting in (plain, varied):
        videos = [Video(1, WH, np.random.default_rng([9, n]), setting) for n in range(16)]
        backgrounds = np.stack([video._background for video in videos])
        pure = backgrounds[..., 1] > 3 * backgrounds[..., 0] + 60
        green.append(pure.mean(axis=(1, 2)))
    partly = [np.mean((share > 0.05) & (share < 0.95)) for share in green]
    assert partly[0] < 0.1 < partly[1]


def test_a_still_of_blurred_people():
    videos = [Video(1, WH, np.random.default_rng([6, seed])) for seed in range(12)]
    frames = [next(iter(video)) for video in videos]
    assert any(video._smeared[..., 0].any() for video in videos)
    assert all(frame.shape == (120, 160, 3) for frame in frames)


@pytest.mark.parametrize(
    "setting",
    [STREET, ANYWHERE, *(s for kind in ("crowd", "tables", "varied") for s in make_settings(kind))],
)
def test_actions_exist_and_their_shares_sum_to_1(setting):
    names, shares = zip(*setting.actions, strict=True)
    assert set(names) <= ACTIONS.keys()
    assert sum(shares) == pytest.approx(1)


def test_unknown_scenes():
    with pytest.raises(ValueError, match="scenes: found 'beach', expected one of street, any"):
        make_settings("beach")


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(ValueError, match=r"no \.jpg pictures; name a folder that has some"):
        make_settings("anywhere", tmp_path)


def test_labels_lie_in_the_image_and_in_their_box(videos):
    for _, frames, truth in videos:
        assert all(frame.shape == (120, 160, 3) for frame in frames)
        seen = truth.joints[..., 2] == 1
        points = truth.joints[..., :2]
        assert ((points >= 0) & (points < WH))[seen].all()
        low = truth.box_xywh[..., None, :2] - 1e-6
        high = low + truth.box_xywh[..., None, 2:] + 2e-6
        assert ((points >= low) & (points <= high)).all(-1)[seen].all()


def test_people_sit_and_are_cut_off(videos):
    actions = {actor.action for video, _, _ in videos for actor in video.actors}
    assert {"sit", "stand"} <= actions
    legs = [POSETRACK.index(f"{side}_ankle") for side in ("left", "right")]
    heads = [POSETRACK.index("nose")]
    visible = np.concatenate([t.joints[..., 2].reshape(-1, 17) for _, _, t in videos])
    upper = (visible[:, heads] > 0).all(1) & (visible[:, legs] == 0).all(1)
    assert upper.mean() > 0.15  # of the street's people next to none


def test_what_furniture_hides_is_not_labelled(videos):
    hidden = [video._hidden[2] & (truth.joints[..., 2] > 0) for video, _, truth in videos]
    assert not any(part.any() for part in hidden)
    assert any(video._hidden[2].any() for video, _, _ in videos)


def test_same_seed_same_frames():
    first, again = (
        np.stack(list(Video(2, WH, np.random.default_rng(5), ANYWHERE))) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)


def test_photographs_become_backgrounds(tmp_path):
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[..., 2] = 250  # red, in OpenCV's order
    cv2.imwrite(str(tmp_path / "a.jpg"), picture)
    (setting,) = make_settings("street", tmp_path)
    frames = [next(iter(Video(4, WH, np.random.default_rng(seed), setting))) for seed in range(20)]
    red = [np.median(frame[..., 0]) > np.median(frame[..., 1]) + 100 for frame in frames]
    assert 0.4 < np.mean(red) < 0.9


def test_a_photograph_covers_image_and_margin():
    photo = np.random.default_rng(0).integers(0, 256, (90, 200, 3), np.uint8)
    part = photo_background(photo, WH, np.random.default_rng(1))
    assert part.shape == (120 * (1 + 2 * MARGIN), 160 * (1 + 2 * MARGIN), 3)
    assert part.dtype == np.float32


def test_what_is_no_picture_is_named(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.jpg: not a picture that OpenCV can decode"):
        read_photo(path)


@pytest.mark.parametrize("size", [8.0, 60.0, 400.0])
def test_furniture_is_a_sprite(size):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for sprite in (draw_seat(size, rng), draw_table(WH, size, rng)):
            assert sprite.color.shape == (*sprite.alpha.shape, 3)
            assert np.isfinite(sprite.color).all()
            assert 0 <= sprite.alpha.min() <= sprite.alpha.max() == 1
            assert (sprite.color[sprite.alpha == 0] == 0).all()  # premultiplied
