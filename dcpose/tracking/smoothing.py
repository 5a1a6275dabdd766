"""One-Euro smoothing of joints: steady while people stand, without delay while they move.

Source: Casiez, Roussel, Vogel: 1 Euro Filter (CHI 2012). Here x and y of a joint share one cutoff
frequency, which rises with its speed in person sizes per second, so that settings hold at any
resolution and for movements in any direction.

Legend: N people of a frame, J joints. Points are (x, y) in image pixels, times in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(eq=False)
class _JointState:
    """The filter of one person: (J, 2) places and velocities, (J,) times; NaN before the first.

    Velocities are in person sizes per second.
    """

    places: np.ndarray
    velocities: np.ndarray
    times: np.ndarray
    last_time: float


class PoseSmoother:
    """Smooths the joints of each track as they come.

    A joint that is seen for the first time, or again after `max_silence_s` seconds, is returned as
    it is. One that is missing stays missing, and so does its filter until it is back. Frames need
    not be evenly spaced.

    Args:
        min_cutoff: Hz, of a joint at rest; lower is steadier.
        beta: Hz per person size and second; higher follows movements more closely.
        velocity_cutoff: Hz, of the smoothing of the velocity.
        max_silence_s: seconds after which a joint or a track starts anew.

    Raises:
        ValueError: if a setting is not positive, or beta is negative.
    """

    def __init__(
        self,
        min_cutoff: float = 1.0,
        beta: float = 20.0,
        velocity_cutoff: float = 1.0,
        max_silence_s: float = 1.0,
    ) -> None:
        if min(min_cutoff, velocity_cutoff, max_silence_s) <= 0 or beta < 0:
            raise ValueError(
                "min_cutoff, velocity_cutoff and max_silence_s must be positive and beta not "
                f"negative, got {min_cutoff}, {velocity_cutoff}, {max_silence_s} and {beta}"
            )
        self.min_cutoff = min_cutoff
        self.beta = beta
        self.velocity_cutoff = velocity_cutoff
        self.max_silence_s = max_silence_s
        self._people: dict[int, _JointState] = {}
        self._time = -math.inf

    def update(
        self, time: float, track_ids: np.ndarray, boxes_xywh: np.ndarray, joints: np.ndarray
    ) -> np.ndarray:
        """Return the smoothed joints of a frame, (N, J, 2); the input is not changed.

        Args:
            time: of the frame, in seconds, later than that of the last call.
            track_ids: (N,) ids of the people, see `PoseTracker`.
            boxes_xywh: (N, 4) their boxes; the root of the area is the size of a person.
            joints: (N, J, 2); not finite where missing.

        Raises:
            ValueError: if times do not ascend, or arrays do not have one row for each person.
        """
        if not time > self._time:
            raise ValueError(f"time {time} comes after {self._time}, expected ascending times")
        if not len(track_ids) == len(boxes_xywh) == len(joints):
            raise ValueError(
                f"{len(track_ids)} ids, {len(boxes_xywh)} boxes and {len(joints)} poses, expected "
                "as many of each"
            )
        self._time = time
        self._people = {
            track_id: state
            for track_id, state in self._people.items()
            if time - state.last_time <= self.max_silence_s
        }
        smoothed = np.array(joints, dtype=np.float64)
        for row, track_id in enumerate(map(int, track_ids)):
            size = math.sqrt(max(boxes_xywh[row][2] * boxes_xywh[row][3], 1.0))
            smoothed[row] = self._smooth(time, track_id, size, smoothed[row])
        return smoothed

    def _smooth(self, time: float, track_id: int, size: float, joints: np.ndarray) -> np.ndarray:
        """Return (J, 2) and move the person's filter on."""
        if track_id not in self._people:
            unknown = np.full_like(joints, np.nan)
            self._people[track_id] = _JointState(
                unknown, unknown.copy(), unknown[:, 0].copy(), time
            )
        state = self._people[track_id]
        state.last_time = time
        seen = np.isfinite(joints).all(axis=1)
        elapsed = time - state.times  # NaN before the first sighting
        goes_on = seen & (elapsed <= self.max_silence_s)
        starts = seen & ~goes_on
        state.places[starts], state.velocities[starts] = joints[starts], 0.0

        step = elapsed[goes_on, None]
        before, velocity = state.places[goes_on], state.velocities[goes_on]
        measured = (joints[goes_on] - before) / size / step
        velocity = velocity + _weight(self.velocity_cutoff, step) * (measured - velocity)
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        cutoff = self.min_cutoff + self.beta * speed
        state.velocities[goes_on] = velocity
        state.places[goes_on] = before + _weight(cutoff, step) * (joints[goes_on] - before)
        state.times[seen] = time
        return np.where(seen[:, None], state.places, joints)


def _weight(cutoff: float | np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the weight of a new value, in (0, 1), `step` seconds after the last."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))
