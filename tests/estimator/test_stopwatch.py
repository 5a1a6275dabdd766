from dcpose.estimator.stopwatch import Stopwatch


def test_stages_add_up():
    clock = iter([1.0, 3.0, 4.0, 9.0, 21.0])
    watch = Stopwatch(lambda: next(clock))
    assert watch.elapsed == 0
    with watch.measure("decode"):
        pass  # from 1 to 3
    with watch.measure("network"):
        pass  # from 4 to 9
    assert watch.seconds == {"decode": 2.0, "network": 5.0}
    assert watch.report() == "decode 10.0 %, network 25.0 %, other 65.0 %"


def test_only_the_wait_for_items_counts():
    now = 0.0

    def clock():
        return now

    def source():
        nonlocal now
        for item in "ab":
            now += 2
            yield item

    watch = Stopwatch(clock)
    for _ in watch.measure_items("decode", source()):
        now += 100
    assert watch.seconds == {"decode": 4.0}
    assert watch.elapsed == 204.0
