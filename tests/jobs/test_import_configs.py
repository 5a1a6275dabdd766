"""What configs are written for imported labels."""

import numpy as np
import pytest

from dcpose.formats.labels.labels import LabelledPerson
from dcpose.jobs.import_configs import crop_wh


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(30, 60)] * 10, (96, 128)),
        ([(60, 30)] * 10, (128, 96)),
        ([(50, 50)] * 10, (128, 128)),
        # an animal that turns: mostly wide, sometimes tall
        ([(60, 30)] * 8 + [(30, 60)] * 4, (128, 128)),
        # one odd label among many
        ([(60, 30)] * 30 + [(30, 60)], (128, 96)),
    ],
)
def test_crops_fit_the_boxes(boxes, expected):
    people = [LabelledPerson(np.zeros((1, 3)), 0, np.array([0.0, 0.0, *wh])) for wh in boxes]
    assert crop_wh(people) == expected
