"""Times that run on, whatever the clock of a file does."""

from fractions import Fraction

_BACK_FRAMES = 4
"""A clock that goes back further than this has started again; less is disorder."""


class RunningClock:
    """Turns the times of a file into times that always rise.

    Where the file's clock starts again or jumps, time goes on by one frame. Where it stands or goes
    back a little, frames stand half a frame apart (a whole one from the second on) until it has
    caught up. Gaps in which nothing was recorded stay, up to `longest_gap`.

    Args:
        zero: time in the file that becomes 0, in ticks.
        frame_ticks: duration of a frame where the clock does not tell, in ticks; more than 0.
        longest_gap: in ticks; a longer one counts as a jump.
    """

    def __init__(self, zero: int, frame_ticks: Fraction, longest_gap: Fraction) -> None:
        self.num_jumps = 0
        self.num_standing = 0
        self._frame = frame_ticks
        self._longest_gap = longest_gap
        self._shift = Fraction(-zero)
        self._raw: int | None = None
        self._time: Fraction | None = None
        self._ticks = 0
        self._stands = False

    def next(self, raw: int | None) -> int:
        """Return the time of the next frame in ticks, more than that of the one before.

        Args:
            raw: its time in the file; None where the file does not say.
        """
        if self._time is None:
            time = Fraction(0) if raw is None else raw + self._shift
        elif raw is None:
            time = self._time + self._frame
        else:
            time = self._after(self._time, raw)
        if self._time is not None:
            self._ticks = max(round(time), self._ticks + 1)
        else:
            self._ticks = round(time)
        self._time = time
        self._raw = self._raw if raw is None else raw
        return self._ticks

    def _after(self, last: Fraction, raw: int) -> Fraction:
        step = 0 if self._raw is None else raw - self._raw
        if step < -_BACK_FRAMES * self._frame or step > self._longest_gap:
            self.num_jumps += 1
            self._shift = last + self._frame - raw
        time = raw + self._shift
        if time > last:
            self._stands = False
            return time
        self.num_standing += 1
        whole = self._stands and step == 0
        self._stands = True
        return last + (self._frame if whole else self._frame / 2)
