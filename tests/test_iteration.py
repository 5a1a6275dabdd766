"""Groups of items, and the time that items take."""

import pytest

from dcpose.iteration import groups_of, timed


def failing():
    yield from (1, 2, 3)
    raise OSError("the disk is gone")


def test_groups():
    assert list(groups_of(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(groups_of(range(4), 2)) == [[0, 1], [2, 3]]
    assert list(groups_of([], 2)) == []


@pytest.mark.parametrize(("finish", "expected"), [(True, [[1, 2], [3]]), (False, [[1, 2]])])
def test_an_error_comes_after_the_items_before_it_where_asked(finish, expected):
    seen = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(groups_of(failing(), 2, finish_before_error=finish))
    seen = []
    try:
        for group in groups_of(failing(), 2, finish_before_error=finish):
            seen.append(group)
    except OSError:
        pass
    assert seen == expected


def test_time_counts_until_an_item_is_there():
    now = [0.0]

    def slowly():
        for cost in (2.0, 3.0):
            now[0] += cost
            yield cost

    measured = []
    for item, seconds in timed(slowly(), lambda: now[0]):
        now[0] += 100.0  # what is done with an item does not count
        measured.append((item, seconds))
    assert measured == [(2.0, 2.0), (3.0, 3.0)]
