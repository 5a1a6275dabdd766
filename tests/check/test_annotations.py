"""Whatever is in an annotation file, the check reads it, and finds what the reader refuses."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dcpose.check.annotations import AnnotationFacts, inspect_file
from dcpose.formats.posetrack.records import read_video
from dcpose.skeleton import POSETRACK

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 400),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.just([1, 2, 3, 4]),
)
PLACES = [
    ("images",), ("images", 1), ("images", 1, "id"), ("images", 1, "file_name"),
    ("images", 1, "nframes"), ("images", 1, "width"), ("images", 1, "height"),
    ("annotations",), ("annotations", 2), ("annotations", 2, "image_id"),
    ("annotations", 2, "keypoints"), ("annotations", 2, "keypoints", 4),
    ("annotations", 2, "bbox"), ("annotations", 2, "bbox", 2), ("annotations", 2, "track_id"),
    ("annotations", 2, "category_id"), ("annotations", 2, "iscrowd"), ("annotations", 2, "id"),
    ("annotations", 2, "bbox_head"), ("categories",), ("categories", 0),
    ("categories", 0, "keypoints"), ("categories", 0, "keypoints", 3), ("categories", 0, "id"),
]  # fmt: skip


@pytest.fixture(scope="module")
def content(sample_dir):
    return json.loads((sample_dir / "annotations/val/010001_mpii_test.json").read_text())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_no_value_stops_the_check_or_escapes_it(content, tmp_path_factory, place, value):
    damaged = copy.deepcopy(content)
    *parents, last = place
    entry = damaged
    for key in parents:
        entry = entry[key]
    entry[last] = value
    path = tmp_path_factory.mktemp("fuzz") / "010001_mpii_test.json"
    path.write_text(json.dumps(damaged))
    (facts,) = inspect_file(path, False, POSETRACK)
    kind = TypeAdapter(AnnotationFacts)
    assert kind.validate_python(json.loads(json.dumps(kind.dump_python(facts)))) == facts
    refusal = None
    try:
        read_video(path, path.parent, POSETRACK)
    except ValueError as error:
        refusal = str(error)
    problems = [finding for finding in facts.findings if finding.level == "problem"]
    assert refusal is None or problems
