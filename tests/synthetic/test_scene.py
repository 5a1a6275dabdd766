import numpy as np
import pytest

from dcpose.synthetic.scene import Occluder, camera_path, draw_background, draw_occluder


def test_camera_is_a_similarity_that_moves_little_between_frames():
    cameras = camera_path(30, (640, 360), np.random.default_rng(4))
    assert cameras.shape == (30, 2, 3)
    linear = cameras[:, :, :2]
    zoom = np.sqrt(np.linalg.det(linear))
    gram = linear @ linear.transpose(0, 2, 1)
    np.testing.assert_allclose(gram, zoom[:, None, None] ** 2 * np.eye(2), atol=1e-12)
    assert (np.abs(np.log(zoom)) < 0.08).all()
    corners = np.array([[0, 0], [640, 0], [640, 360]])
    placed = np.einsum("nij,cj->nci", linear, corners) + cameras[:, None, :, 2]
    assert np.linalg.norm(np.diff(placed, axis=0), axis=-1).max() < 20


def test_background_is_larger_than_the_image_and_cluttered():
    picture = draw_background((160, 96), 30.0, np.random.default_rng(0))
    assert picture.shape == (144, 240, 3)
    assert picture.min() >= 0
    assert picture.max() <= 255
    assert picture.std() > 10


@pytest.mark.parametrize("kind", ["pole", "board", "ball", "car"])
def test_occluder_is_where_it_should_be(kind):
    sprite = draw_occluder(kind, 100.0, np.random.default_rng(1))
    assert sprite.alpha.max() == pytest.approx(1, abs=1e-3)
    assert sprite.color.min() >= 0
    assert sprite.color.max() < 300
    occluder = Occluder(sprite, np.array([50.0, 40.0]), np.array([10.0, 0.0]), time=3.0)
    zoomed_and_shifted = np.array([[2.0, 0, 5], [0, 2, 7]])
    at = occluder.at(4, zoomed_and_shifted)
    # scene (60, 40) -> image (125, 87); the picture is centred on that pixel
    assert (at.x - sprite.x, at.y - sprite.y) == (125, 87)
    assert at.coverage_at(np.array([[125.5, 87.5]]))[0] > 0.9


def test_unknown_occluder_is_named():
    with pytest.raises(ValueError, match="unknown occluder 'cow'"):
        draw_occluder("cow", 100.0, np.random.default_rng(0))
