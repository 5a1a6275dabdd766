"""Heatmap codec: goldens of the release, hand-computed values, borders, undefined input."""

import json

import numpy as np
import pytest
import torch

from dcpose import geometry, heatmap

CROP_WH, HEATMAP_WH = (288, 384), (72, 96)


def encode(joints, weights=None, crop_wh=CROP_WH, heatmap_wh=HEATMAP_WH, sigma=3.0):
    joints = torch.tensor(joints, dtype=torch.float32)
    weights = torch.ones(joints.shape[:2]) if weights is None else torch.tensor(weights)
    return heatmap.encode(joints, weights, crop_wh, heatmap_wh, sigma)


def test_targets_of_the_release(shared_dir):
    # recipe: `geometry.json` in the README of the golden cases
    cases = json.loads((shared_dir / "goldens/network/geometry.json").read_text())
    targets, weights = encode([case["joints_crop"] for case in cases])
    np.testing.assert_array_equal(weights, [case["weights"] for case in cases])
    np.testing.assert_allclose(
        targets.sum((2, 3)), [case["heatmap_sum"] for case in cases], rtol=1e-5
    )
    to_edge = np.array([case["joints_crop"] for case in cases]) / 4 + 0.5
    clear = (np.abs(to_edge - to_edge.round()) > 0.01 / 4).all(-1)
    argmax = np.array([case["heatmap_argmax"] for case in cases])
    np.testing.assert_array_equal(targets.flatten(2).argmax(-1).numpy()[clear], argmax[clear])
    assert clear.mean() > 0.9


def test_decoding_of_the_release(shared_dir):
    # recipe: `decode.npz` in the README of the golden cases; negative, zero, border, corner peaks
    golden = np.load(shared_dir / "goldens/network/decode.npz")
    crop_to_image = [
        geometry.invert_affine(
            geometry.image_to_crop_matrix(
                geometry.enlarge(geometry.pad_to_aspect(box, 0.75), 1.25), CROP_WH
            )
        )
        for box in golden["boxes_xywh"]
    ]
    joints, scores = heatmap.decode(torch.from_numpy(golden["heatmaps"]))
    joints = heatmap.heatmap_to_image(joints, torch.tensor(np.stack(crop_to_image)), stride=4)
    np.testing.assert_allclose(joints, golden["keypoints_xy"], atol=0.02)
    np.testing.assert_array_equal(scores, golden["scores"])


def test_target_values():
    # crop 32 x 48, stride 4: (9.9, 18) is heatmap (2.475, 4.5), nearest pixel (2, 5)
    targets, _ = encode([[[9.9, 18.0]]], crop_wh=(32, 48), heatmap_wh=(8, 12), sigma=1.0)
    ys, xs = np.mgrid[:12, :8]
    expected = np.exp(-((xs - 2) ** 2 + (ys - 5) ** 2) / 2)
    expected[(abs(xs - 2) > 3) | (abs(ys - 5) > 3)] = 0
    np.testing.assert_allclose(targets[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("joint", "weight"),
    [
        ([0, 0], 1),
        ([288, 384], 1),
        ([-0.01, 10], 0),
        ([288.01, 10], 0),
        ([10, 384.01], 0),
        ([float("nan"), 10], 0),
        ([10, float("inf")], 0),
    ],
)
def test_joint_outside_the_crop_has_no_weight_and_no_target(joint, weight):
    targets, weights = encode([[joint]])
    assert weights.item() == weight
    assert torch.isfinite(targets).all()
    assert (targets.max() > 0) == bool(weight)


def test_unlabelled_joint_has_an_empty_target():
    targets, weights = encode([[[100, 100], [100, 100]]], [[0.0, 1.5]])
    assert weights.tolist() == [[0, 1.5]]
    assert targets[0, 0].max() == 0
    assert targets[0, 1].max() == 1


@pytest.mark.parametrize(
    ("joints", "weights", "sigma", "message"),
    [
        (torch.zeros(1, 17, 3), torch.zeros(1, 17), 3.0, "expected joints"),
        (torch.zeros(1, 17, 2), torch.zeros(1, 16), 3.0, "expected joints"),
        (torch.zeros(1, 17, 2), torch.zeros(1, 17), 0.0, "sigma must be positive"),
    ],
)
def test_encode_refuses(joints, weights, sigma, message):
    with pytest.raises(ValueError, match=message):
        heatmap.encode(joints, weights, CROP_WH, HEATMAP_WH, sigma)


def decode_one(points, shape=(12, 8)):
    heatmaps = torch.zeros(1, 1, *shape)
    for (x, y), value in points.items():
        heatmaps[0, 0, y, x] = value
    joints, scores = heatmap.decode(heatmaps)
    return joints[0, 0].tolist(), scores.item()


@pytest.mark.parametrize(
    ("points", "joint"),
    [
        ({(3, 5): 0.5}, [3, 5]),
        ({(3, 5): 0.5, (4, 5): 0.1}, [3.25, 5]),
        ({(3, 5): 0.5, (2, 5): 0.1, (3, 6): 0.1, (3, 4): 0.2}, [2.75, 4.75]),
        # one pixel from the border nothing moves, not even along the other axis
        ({(1, 5): 0.5, (2, 5): 0.1, (1, 6): 0.1}, [1, 5]),
        ({(7, 11): 0.5, (6, 11): 0.1}, [7, 11]),
        ({(6, 10): 0.5, (5, 10): 0.1}, [5.75, 10]),
    ],
)
def test_decode_moves_a_quarter_pixel(points, joint):
    assert decode_one(points) == (joint, 0.5)


def test_decode_without_a_peak():
    joints, scores = heatmap.decode(torch.full((1, 1, 12, 8), -2.0))
    assert joints.tolist() == [[[0, 0]]]
    assert scores.tolist() == [[-2]]


def test_decode_marks_nan_maps_and_leaves_the_others_alone():
    heatmaps = torch.rand(2, 3, 12, 8)
    expected_joints, expected_scores = heatmap.decode(heatmaps)
    heatmaps[1, 2, 4, 4] = float("nan")
    joints, scores = heatmap.decode(heatmaps)
    assert torch.isnan(scores).nonzero().tolist() == [[1, 2]]
    assert joints[1, 2].tolist() == [0, 0]
    torch.testing.assert_close(joints.flatten(0, 1)[:5], expected_joints.flatten(0, 1)[:5])
    torch.testing.assert_close(scores.flatten()[:5], expected_scores.flatten()[:5])


@pytest.mark.parametrize("shape", [(17, 96, 72), (1, 17, 2, 72)])
def test_decode_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="expected heatmaps"):
        heatmap.decode(torch.zeros(shape))


def test_decode_accepts_half_precision_and_empty_batches():
    joints, scores = heatmap.decode(torch.zeros(0, 17, 96, 72, dtype=torch.bfloat16))
    assert joints.shape == (0, 17, 2)
    assert scores.dtype == torch.float32


def test_round_trip():
    # whole heatmap pixels survive exactly: the target is symmetric, so nothing is moved
    rng = np.random.default_rng(0)
    joints = torch.tensor(rng.integers([10, 10], [62, 86], size=(4, 17, 2)), dtype=torch.float32)
    targets, _ = heatmap.encode(4 * joints, torch.ones(4, 17), CROP_WH, HEATMAP_WH, 3.0)
    decoded, scores = heatmap.decode(targets)
    torch.testing.assert_close(decoded, joints)
    assert (scores == 1).all()


def test_heatmap_to_image_uses_one_matrix_per_person():
    # by hand: 4 * (1, 2) = (4, 8); doubled and moved by (10, 20); rotated by 90 degrees
    matrices = torch.tensor([[[2.0, 0, 10], [0, 2, 20]], [[0.0, -1, 0], [1, 0, 0]]])
    joints = heatmap.heatmap_to_image(torch.tensor([[[1.0, 2]], [[1.0, 2]]]), matrices, 4)
    assert joints.tolist() == [[[18, 36]], [[-8, 4]]]
    assert joints.dtype == torch.float64


UDP_WH, UDP_CELLS = (192, 256), (48, 64)


def test_udp_targets_sit_on_the_joint():
    # by hand: cells are 191 / 47 and 255 / 63 crop pixels apart, so (95.5, 127.5) is (23.5, 31.5)
    targets, weights = heatmap.encode(
        torch.tensor([[[95.5, 127.5], [191.0, 255.0], [191.5, 10.0]]]),
        torch.ones(1, 3), UDP_WH, UDP_CELLS, 2.0, unbiased=True,
    )  # fmt: skip
    assert weights.tolist() == [[1, 1, 0]]
    middle = targets[0, 0, 31:33, 23:25]
    torch.testing.assert_close(middle, torch.full((2, 2), float(np.exp(-0.5 / 8))))
    assert targets[0, 1, 63, 47] == 1
    assert targets[0, 2].max() == 0


@pytest.mark.parametrize(("sigma", "tolerance"), [(2.0, 1e-3), (0.8, 1e-3)])
def test_dark_finds_the_top_of_a_gaussian(sigma, tolerance):
    # away from borders, blurred or not, the logarithm of a Gaussian is a parabola
    rng = np.random.default_rng(0)
    joints = torch.tensor(rng.uniform([12, 12], [35, 51], (4, 17, 2)), dtype=torch.float32)
    in_crop = joints * torch.tensor([191 / 47, 255 / 63])
    targets, _ = heatmap.encode(in_crop, torch.ones(4, 17), UDP_WH, UDP_CELLS, 2.0, unbiased=True)
    decoded, scores = heatmap.decode_dark(targets, sigma)
    assert (decoded - joints).abs().max() < tolerance
    assert (scores == targets.flatten(2).amax(-1)).all()
    by_quarters, _ = heatmap.decode(targets)
    assert (by_quarters - joints).abs().mean() > 0.05


def test_dark_blurs_noise_away():
    # errors of the reference, in cells: 0.025 with sigma 2 and 0.046 with sigma 0.8
    rng = np.random.default_rng(1)
    joints = torch.tensor(rng.uniform([12, 12], [35, 51], (8, 17, 2)), dtype=torch.float32)
    in_crop = joints * torch.tensor([191 / 47, 255 / 63])
    targets, _ = heatmap.encode(in_crop, torch.ones(8, 17), UDP_WH, UDP_CELLS, 2.0, unbiased=True)
    noisy = targets + torch.tensor(rng.normal(0, 0.02, targets.shape), dtype=torch.float32)
    errors = [
        (heatmap.decode_dark(noisy, sigma)[0] - joints).abs().mean().item() for sigma in (2.0, 0.8)
    ]
    assert errors[0] < 0.03
    assert errors[0] < errors[1] < 0.06


def test_dark_of_transformers(shared_dir):
    # recipe: `vitpose_decode.npz` in goldens/vitpose/README.md
    golden = np.load(shared_dir / "goldens/vitpose/vitpose_decode.npz")
    boxes = [geometry.enlarge(geometry.pad_to_aspect(b, 0.75), 1.25) for b in golden["boxes_xywh"]]
    matrices = [geometry.image_to_crop_matrix(box, UDP_WH, affine="udp") for box in boxes]
    np.testing.assert_allclose(matrices, golden["image_to_crop_256x192"], atol=1e-3)
    heatmaps = torch.from_numpy(golden["heatmaps"]).float()
    joints, scores = heatmap.decode_dark(heatmaps, sigma=0.8)
    back = torch.tensor(np.stack([geometry.invert_affine(matrix) for matrix in matrices]))
    image = heatmap.heatmap_to_image(joints, back, geometry.cell_wh(UDP_WH, UDP_CELLS, "udp"))
    np.testing.assert_array_equal(scores, golden["scores"])
    x, y = heatmaps.flatten(2).argmax(-1) % 48, heatmaps.flatten(2).argmax(-1) // 48
    inner = ((x > 0) & (x < 47) & (y > 0) & (y < 63)).numpy() & (golden["scores"] > 0.1)
    assert inner.sum() > 80
    np.testing.assert_allclose(image[inner], golden["keypoints_xy"][inner], atol=0.02)
    assert joints[-1, -1].tolist() == [0, 0]  # nothing above zero


def test_dark_of_odd_maps():
    flat = torch.full((1, 3, 12, 8), 0.5)
    flat[0, 1], flat[0, 2, 4, 4] = -1.0, float("nan")
    joints, scores = heatmap.decode_dark(flat)
    assert joints.isfinite().all()
    assert joints[0, 1:].tolist() == [[0, 0], [0, 0]]
    assert scores[0, 2].isnan()
    corner = torch.zeros(1, 1, 12, 8)
    corner[0, 0, 0, 7] = 1.0
    assert heatmap.decode_dark(corner)[0].isfinite().all()
    with pytest.raises(ValueError, match="expected heatmaps"):
        heatmap.decode_dark(torch.zeros(1, 1, 2, 8))
    assert heatmap.decode_dark(torch.zeros(0, 17, 12, 8, dtype=torch.bfloat16))[0].shape[0] == 0
