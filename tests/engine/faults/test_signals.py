import os
import signal
import threading

import pytest

from dcpose.engine.faults.signals import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupts_wait_for_the_end_of_a_write(number):
    before, written = signal.getsignal(number), []
    interrupts = Interrupts()

    def write():
        with interrupts.watch(), interrupts.held():
            os.kill(os.getpid(), number)
            written.append("whole")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert written == ["whole"]
    assert signal.getsignal(number) is before


def test_outside_of_writes_they_act_at_once():
    reached = []

    def work():
        with Interrupts().watch():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("too far")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == []


def test_other_threads_are_left_alone():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
        with Interrupts().watch():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
