"""The newest frame of a source that does not wait."""

import threading
from collections.abc import Iterator
from dataclasses import replace

from dcpose.video.camera import Camera
from dcpose.video.remote import RemoteVideo
from dcpose.video.source import FrameSource, VideoFrame


class KeepUp(FrameSource):
    """A camera or stream of which the newest frame is taken; those before it are dropped.

    A thread reads on while a frame is worked on, so the delay does not grow when frames come faster
    than they are worked on. Frames that are taken are numbered one by one; their times tell how far
    they lie apart.

    Args:
        source: what is read from.

    Attributes:
        num_dropped: frames that nobody took, so far.
    """

    def __init__(self, source: Camera | RemoteVideo) -> None:
        self._source = source
        self.num_dropped = 0
        self.name = source.name
        self.origin = source.origin
        self.frame_wh = source.frame_wh
        self.rate = source.rate
        self.time_base = source.time_base
        self.num_frames = source.num_frames
        self.rotation_deg = source.rotation_deg
        self.age = source.age

    def __iter__(self) -> Iterator[VideoFrame]:
        """Wait for frames; an error of the source comes after its last frame."""
        news = threading.Condition()
        newest: list[VideoFrame] = []  # none or one
        end: list[Exception | None] = []  # none, or why the source ended
        left = threading.Event()

        def read() -> None:
            error: Exception | None = None
            try:
                for frame in self._source:
                    with news:
                        self.num_dropped += len(newest)
                        newest[:] = [frame]
                        news.notify()
                    if left.is_set():
                        break
            except Exception as caught:
                error = caught
            with news:
                end.append(error)
                news.notify()

        threading.Thread(target=read, daemon=True).start()
        index = 0
        try:
            while True:
                with news:
                    news.wait_for(lambda: newest or end)
                    if not newest:
                        break
                    frame = newest.pop()
                yield replace(frame, index=index)
                index += 1
        finally:
            left.set()
        if end[0] is not None:
            raise end[0]
