"""Videos and images of users that lie: playlists, bombs, damage."""

import struct
import zlib

import av
import cv2
import numpy as np
import pytest

from dcpose.video.images import read_image
from dcpose.video.opening import open_source

PNG = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()


def png_of(width, height):
    """A PNG that announces another size, its checksum right."""
    header = b"IHDR" + struct.pack(">II", width, height) + PNG[24:29]
    return PNG[:12] + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:]


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n"
REFUSED = {
    "text.mp4": (b"hello world " * 50, "not a video"),
    "empty.mp4": (b"", "not a video"),
    "zeros.mkv": (bytes(10_000), "not a video"),
    "playlist.mp4": (PLAYLIST % b"http://127.0.0.1:9/x.ts", "not a video"),
    "playlist.m3u8": (PLAYLIST % b"http://127.0.0.1:9/x.ts", "not a video|holds no"),
    "local playlist.m3u8": (PLAYLIST % b"/etc/passwd", "not a video|holds no"),
    "list.mp4": (b"ffconcat version 1.0\nfile /etc/passwd\n", "not a video"),
    "list with a protocol.mp4": (
        b"ffconcat version 1.0\nfile http://127.0.0.1:9/x\n",
        "not a video",
    ),
    "bomb.mp4": (png_of(30_000, 30_000), "holds no frame"),
    "bomb.png": (png_of(50_000, 50_000), "announces more pixels"),
    "smaller bomb.png": (png_of(30_000, 30_000), "announces more pixels"),
    "text.png": (b"hello", "not an image"),
    "empty.jpg": (b"", "not an image"),
    "damaged.tif": (b"II*\0" + b"\xff" * 50, "not an image"),
    "no sizes.tif": (b"II*\0\x08\0\0\0\0\0" + bytes(8), "not an image"),
    "damaged.webp": (b"RIFF" + b"\xff" * 4 + b"WEBPVP8X" + b"\xff" * 30, "image|pixels"),
    "damaged.bmp": (b"BM" + bytes(16) + b"\xff\xff\xff\x7f" * 4 + bytes(20), "not an image"),
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, told, tmp_path):
    content, found = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content)
    told(lambda: open_source(path), path, found)
    if path.suffix not in (".mp4", ".mkv", ".m3u8"):
        told(lambda: read_image(path), path, "not an image")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_truncated_video(kept, told, tmp_path):
    path = tmp_path / "clip ö.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 32, 32
        for level in range(0, 250, 25):
            image = np.full((32, 32, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert len(list(open_source(path))) == 10
    path.write_bytes(data[: int(kept * len(data))])
    told(lambda: list(open_source(path)), path, "not a video|holds no|cut short")
