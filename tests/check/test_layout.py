import pytest

from dcpose.check.annotations import AnnotationFacts, ListedFrame
from dcpose.check.layout import check_counts, check_splits


def val_of(videos, labelled):
    """Facts of a val split with so many videos and labelled frames in all."""
    shares = [labelled // videos + (index < labelled % videos) for index in range(videos)]
    return [
        AnnotationFacts(
            name=f"{index:06d}_mpii_test",
            source=f"val/{index:06d}_mpii_test.json",
            frames=[
                ListedFrame(
                    f"images/val/{index:06d}_mpii_test/{n:06d}.jpg", n, index * 1000 + n, 2, []
                )
                for n in range(share)
            ],
            first_frame=0,
            num_frames=share,
            image_wh=None,
            findings=[],
        )
        for index, share in enumerate(shares)
    ]


# sizes of the releases: label versions v0.2 and v0.45 of PoseTrack18, val of PoseTrack17
@pytest.mark.parametrize(
    ("layout", "videos", "labelled", "labels", "found"),
    [
        ("posetrack18", 74, 3902, "PoseTrack18 v0.2 (74 val videos, 3,902 labelled frames)", None),
        ("posetrack18", 170, 8923, "PoseTrack18 v0.45 (170 val videos, 8,923 labelled", None),
        ("posetrack17", 50, 2600, "PoseTrack17 (50 val videos", None),
        ("posetrack18", 74, 3900, "like PoseTrack18 v0.2", ("problem", "instead of 3,902")),
        ("posetrack18", 73, 3850, "not recognised: 73 val videos", ("note", "while there are 74")),
        ("posetrack18", 3, 3, "not recognised: 3 val videos", ("note", "170 in PoseTrack18 v0.45")),
    ],
)
def test_label_versions_are_known_by_their_sizes(tmp_path, layout, videos, labelled, labels, found):
    facts = {"val": val_of(videos, labelled)}
    text, findings = check_counts(tmp_path, layout, facts, {"val": tmp_path / "val"})
    assert text.startswith(labels)
    if found is None:
        assert findings == []
    else:
        (finding,) = findings
        assert finding.level == found[0]
        assert found[1] in finding.found


@pytest.mark.parametrize("facts", [{}, {"val": []}, {"train": val_of(2, 4)}])
def test_without_val_nothing_is_recognised(tmp_path, facts):
    text, findings = check_counts(tmp_path, "posetrack18", facts, {})
    assert text == "not recognised: no val annotations"
    assert findings == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"parameters": 3}'])
def test_a_damaged_manifest_is_no_manifest(tmp_path, text):
    (tmp_path / "synthetic.json").write_text(text)
    labels, _ = check_counts(tmp_path, "posetrack18", {"val": val_of(74, 3902)}, {})
    assert labels.startswith("PoseTrack18 v0.2")


def test_a_split_without_people_is_named(tmp_path):
    train = [ListedFrame("images/train/a/000000.jpg", 0, 5, 0, [])]
    facts = {
        "train": [AnnotationFacts("a", "train/a.json", train, 0, 1, None, [])],
        "val": val_of(2, 4),
    }
    findings = check_splits(facts, {"train": tmp_path / "train", "val": tmp_path})
    assert [(f.code, f.where) for f in findings] == [("no-people", str(tmp_path / "train"))]
