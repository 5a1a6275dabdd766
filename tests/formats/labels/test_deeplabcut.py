"""Tables of DeepLabCut, by hand and of a real project."""

import numpy as np
import pytest

from dcpose.formats.labels.deeplabcut import read_deeplabcut
from dcpose.formats.labels.reading import read_labels, recognise

SINGLE = """scorer,Ann,Ann,Ann,Ann
bodyparts,nose,nose,tail,tail
coords,x,y,x,y
labeled-data/run1/img0007.png,10.5,20,,
labeled-data/run1/img0003.png,11,21,40,50
"""
MULTI = """scorer,,,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann
individuals,,,a,a,a,a,b,b,b,b,single,single
bodyparts,,,nose,nose,tail,tail,nose,nose,tail,tail,corner,corner
coords,,,x,y,x,y,x,y,x,y,x,y
labeled-data,run1,img0003.png,1,2,3,4,,,,,9,9
labeled-data,run1,img0004.png,,,,,5,6,7,8,,
"""


@pytest.fixture
def project(tmp_path):
    """A project with one table of single-animal labels, images beside it, and a video's name."""

    def make(table=SINGLE, config="skeleton:\n- [nose, tail]\n- [nose, ghost]\n"):
        folder = tmp_path / "labeled-data" / "run1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "CollectedData_Ann.csv").write_text(table)
        for name in ("img0003.png", "img0007.png"):
            (folder / name).touch()
        (tmp_path / "videos").mkdir(exist_ok=True)
        (tmp_path / "videos" / "run1.avi").touch()
        (tmp_path / "config.yaml").write_text(config)
        return tmp_path

    return make


def test_single_animal(project):
    root = project()
    labels, form = read_labels(root)
    assert form == "deeplabcut"
    assert labels.joint_names == ("nose", "tail")
    assert labels.limbs == (("nose", "tail"),)
    (video,) = labels.videos
    assert (video.name, video.file) == ("run1", root / "videos" / "run1.avi")
    assert [frame.number for frame in video.frames] == [3, 7]
    assert video.frames[0].image == root / "labeled-data" / "run1" / "img0003.png"
    np.testing.assert_array_equal(video.frames[0].people[0].joints, [[11, 21, 2], [40, 50, 2]])
    np.testing.assert_array_equal(video.frames[1].people[0].joints, [[10.5, 20, 2], [0, 0, 0]])


def test_multi_animal_with_three_columns_of_names(project):
    labels = read_deeplabcut(project(MULTI))
    assert labels.joint_names == ("nose", "tail", "corner")
    (video,) = labels.videos
    first, second = video.frames
    assert [person.track_id for person in (*first.people, *second.people)] == [0, 1]
    np.testing.assert_array_equal(second.people[0].joints[:2, :2], [[5, 6], [7, 8]])
    assert labels.left_out == {"points of no individual ('single')": 1}


def test_images_beside_the_table_by_number(tmp_path):
    (tmp_path / "CollectedData_Ann.csv").write_text(SINGLE)
    for name in ("000003.jpg", "000007.jpg", "000008.jpg"):
        (tmp_path / name).touch()
    (video,) = read_deeplabcut(tmp_path).videos
    assert [frame.image.name for frame in video.frames] == ["000003.jpg", "000007.jpg"]
    assert recognise(tmp_path) == "deeplabcut"


def test_the_real_project(shared_dir):
    folder = shared_dir / "data" / "mouse_openfield"
    if not folder.is_dir():
        pytest.skip(f"no labelled mouse at {folder}")
    labels = read_deeplabcut(folder)
    (video,) = labels.videos
    assert labels.joint_names == ("snout", "leftear", "rightear", "tailbase")
    assert len(video.frames) == 116
    assert all(frame.image.stem == f"{frame.number:06d}" for frame in video.frames)
    assert not labels.left_out


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "expected the header"),
        ("a,b\nc,d\n", "expected the header"),
        (SINGLE.replace("10.5", "ten"), "row 4: 'ten', expected a number"),
        (SINGLE.replace(",40,50", ",40"), "row 5: 4 cells, expected 5"),
        (SINGLE.replace("coords,x,y,x,y", "coords,x,y,x,x"), "columns x and y"),
        (SINGLE.replace("nose,nose,tail,tail", "nose,tail,tail,nose"), "side by side"),
        (SINGLE.replace("img0007", "img0003"), "has two rows"),
        (SINGLE.replace("labeled-data/run1/img0007.png", "/etc/passwd"), "leads out of the folder"),
        ("\n".join(SINGLE.splitlines()[:3]), "no labelled frame"),
        (SINGLE.encode().replace(b"Ann", b"\xff"), "no UTF-8 text"),
    ],
)
def test_malformed_tables(tmp_path, table, message):
    path = tmp_path / "CollectedData_Ann.csv"
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(ValueError, match=message) as caught:
        read_deeplabcut(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_point_with_one_coordinate_is_said(project):
    labels = read_deeplabcut(project(SINGLE.replace("10.5,20,,", "10.5,20,7,")))
    assert sum(labels.left_out.values()) == 1
