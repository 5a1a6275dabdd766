import numpy as np
import pytest

from dcpose.synthetic.look import Look, draw_look, smooth_noise
from dcpose.synthetic.motion import POINTS, animate, draw_body
from dcpose.synthetic.render import Sprite, Stance, composite, draw_person
from dcpose.synthetic.video import LABELLED_POINTS

WH = (240, 280)


def standing(yaw: float, action: str = "talk", seed: int = 1):
    rng = np.random.default_rng(seed)
    body, look = draw_body(rng), draw_look(rng)
    motion = animate(action, body, np.full(3, yaw), rng)
    place = motion.points[0]
    points = np.array([120.0, 260.0]) + 120 * place[:, :2] * (1, -1)
    torso, head = motion.torso[0], motion.head[0]
    stance = Stance(points, points, place[:, 2], torso, head, 120.0, np.asarray)
    return stance, body, look


def test_composite_cuts_what_sticks_out_and_mixes_by_alpha():
    frame = np.full((2, 3, 3), 100, np.float32)
    sprite = Sprite(-1, 1, np.full((2, 2, 3), 50, np.float32), np.full((2, 2), 0.25, np.float32))
    composite(frame, sprite)
    # only pixel (row 1, column 0) is common: 100 * 0.75 + 50, colours being premultiplied
    expected = np.full((2, 3), 100.0)
    expected[1, 0] = 125.0
    np.testing.assert_array_equal(frame[..., 0], expected)


def test_composite_outside_changes_nothing():
    frame = np.ones((4, 4, 3), np.float32)
    composite(frame, Sprite(10, 0, np.zeros((2, 2, 3), np.float32), np.ones((2, 2), np.float32)))
    assert (frame == 1).all()


def test_coverage_is_read_at_pixels_and_zero_outside():
    alpha = np.array([[0.0, 0.5], [1.0, 0.25]], np.float32)
    sprite = Sprite(10, 20, np.zeros((2, 2, 3), np.float32), alpha)
    points = np.array([[11.9, 20.0], [10.2, 21.7], [9.9, 20.5], [12.0, 20.5], [10.5, 22.0]])
    np.testing.assert_array_equal(sprite.coverage_at(points), [0.5, 1.0, 0, 0, 0])


@pytest.mark.parametrize("action", ["walk", "dance", "squat", "jumping_jack", "reach"])
@pytest.mark.parametrize("yaw", [0.0, 1.6, 3.1])
def test_every_joint_lies_on_the_drawn_person(yaw, action):
    stance, body, look = standing(yaw, action)
    sprite = draw_person(stance, body, look, WH, 2)
    inwards = 0.94 * stance.points + 0.06 * stance.points.mean(axis=0)
    covered = np.maximum(sprite.coverage_at(stance.points), sprite.coverage_at(inwards))
    assert (covered[LABELLED_POINTS] > 0.5).all()
    # a body, not a blob: it fills a third of its box at most and a twelfth at least
    box = np.ptp(stance.points, axis=0).prod()
    assert box / 12 < sprite.alpha.sum() < box


def painted(look: Look, **colors: tuple[int, int, int]) -> Look:
    tiles = {name: np.zeros_like(tile) for name, tile in look.tiles.items()}
    for name, color in colors.items():
        tiles[name] = np.zeros_like(tiles[name]) + np.array(color, np.float32)
    return Look(tiles, np.zeros(3, np.float32), np.zeros(3, np.float32), False)


def test_arm_behind_the_chest_is_hidden_and_arm_in_front_is_not():
    stance, body, look = standing(np.pi / 2)  # faces right: the left arm is the far one
    look = painted(look, torso=(0, 0, 200), upper_arm=(200, 0, 0))
    middle = {
        side: (stance.points[POINTS.index(f"{side}_shoulder")] * 2
               + stance.points[POINTS.index(f"{side}_elbow")]) / 3
        for side in ("left", "right")
    }  # fmt: skip
    sprite = draw_person(stance, body, look, WH, 2)
    x, y = (middle["right"] - (sprite.x, sprite.y)).astype(int)
    assert sprite.color[y, x, 0] > 50
    assert sprite.color[y, x, 2] < 20


def test_face_is_seen_from_the_front_only():
    seen = []
    for yaw in (0.0, np.pi):
        stance, body, look = standing(yaw)
        tile = np.zeros_like(look.tiles["head"])
        tile[:, tile.shape[1] // 4 : 3 * tile.shape[1] // 4, 1] = 250  # the front half is green
        look = painted(look)
        look.tiles["head"][:] = tile
        sprite = draw_person(stance, body, look, WH, 2)
        seen.append(sprite.color[..., 1].sum())
    assert seen[0] > 5 * seen[1]


def test_the_same_generator_gives_the_same_look():
    a, b = (draw_look(np.random.default_rng(5)) for _ in range(2))
    assert all((a.tiles[name] == b.tiles[name]).all() for name in a.tiles)


def test_noise_has_the_shape_and_range_that_it_promises():
    noise = smooth_noise(np.random.default_rng(0), (40, 90), 6)
    assert noise.shape == (40, 90)
    assert noise.dtype == np.float32
    assert 0.1 < noise.std() < 1
    assert np.abs(noise).max() < 2
