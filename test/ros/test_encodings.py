"""What cameras send beside plain colours: 16 bits, Bayer patterns, YUV; read as by cv_bridge."""

from __future__ import annotations

import array

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from sensor_msgs.msg import CompressedImage, Image

from vlam_ros.errors import ImageError
from vlam_ros.ros.images import image_from_message

RNG = np.random.default_rng(3)
# Red, green and blue of an image whose colours change slowly, as those of a lens do.
HEIGHT, WIDTH = 48, 64
X, Y = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
COLOURS = np.stack([40 + 200 * X, 230 - 180 * Y, 60 + 90 * X * Y], axis=2)
BAYER = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}


def message(
    samples: npt.NDArray[np.generic],
    encoding: str,
    width: int = 0,
    height: int = 0,
    padding: int = 0,
    big_endian: bool = False,
) -> Image:
    """Rows of samples [H,…] with `padding` bytes of 0xEE after each."""
    if samples.dtype.itemsize == 2:
        samples = samples.astype(">u2" if big_endian else "<u2")
    rows = np.ascontiguousarray(samples).reshape(len(samples), -1).view(np.uint8)
    filler = np.full((len(rows), padding), 0xEE, np.uint8)
    made = Image(height=height or len(samples), width=width or samples.shape[1], encoding=encoding)
    made.step, made.is_bigendian = rows.shape[1] + padding, int(big_endian)
    made.data = array.array("B", np.hstack([rows, filler]).tobytes())
    return made


def eight_bits(pixels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """As cv_bridge scales: cv::Mat::convertTo by 255 / 65535."""
    scaled = [cv2.convertScaleAbs(p, alpha=255.0 / 65535.0) for p in cv2.split(pixels)]
    return np.asarray(cv2.merge(scaled), np.uint8)


layouts = pytest.mark.parametrize(
    ("padding", "big_endian"), [(0, False), (2, False), (5, False), (0, True), (7, True)]
)


# ------------------------------------------------------------------------------ 16 bits


@layouts
@pytest.mark.parametrize(
    ("encoding", "channels", "conversion"),
    [
        ("rgb16", 3, None),
        ("bgr16", 3, cv2.COLOR_BGR2RGB),
        ("rgba16", 4, cv2.COLOR_RGBA2RGB),
        ("bgra16", 4, cv2.COLOR_BGRA2RGB),
        ("mono16", 1, cv2.COLOR_GRAY2RGB),
    ],
)
def test_sixteen_bits_become_eight(
    encoding: str, channels: int, conversion: int | None, padding: int, big_endian: bool
) -> None:
    pixels = RNG.integers(0, 65536, (5, 7, channels), np.uint16)
    got = image_from_message(message(pixels, encoding, padding=padding, big_endian=big_endian))
    colours = pixels if conversion is None else cv2.cvtColor(pixels, conversion)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, eight_bits(colours))


def test_every_grey_of_sixteen_bits_is_scaled_to_the_whole_of_eight() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    got = image_from_message(message(every, "mono16"))
    np.testing.assert_array_equal(got[..., 0].ravel(), np.rint(np.arange(65536) * 255 / 65535))
    np.testing.assert_array_equal(got[..., 0], eight_bits(every[..., None]).reshape(256, 256))


# ------------------------------------------------------------------------------ Bayer


def mosaic(pattern: str, colours: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """One colour for each pixel: the pattern names those of the first two by two."""
    single = np.empty(colours.shape[:2])
    for place, colour in enumerate(pattern):
        row, column = divmod(place, 2)
        single[row::2, column::2] = colours[row::2, column::2, "rgb".index(colour)]
    return single


@layouts
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", BAYER)
def test_a_mosaic_gets_its_colours_back(
    pattern: str, bits: int, padding: int, big_endian: bool
) -> None:
    single = mosaic(pattern, COLOURS)
    raw = single.astype(np.uint8) if bits == 8 else (single * 257).astype(np.uint16)
    encoding = f"bayer_{pattern}{bits}"
    got = image_from_message(message(raw, encoding, padding=padding, big_endian=big_endian))
    as_opencv = cv2.cvtColor(raw, BAYER[pattern])
    np.testing.assert_array_equal(got, as_opencv if bits == 8 else eight_bits(as_opencv))
    assert np.abs(got[2:-2, 2:-2] - COLOURS[2:-2, 2:-2]).max() < 6


@pytest.mark.parametrize("pattern", BAYER)
def test_a_mosaic_packed_as_png_gets_its_colours_back_and_grey_jpeg_stays_grey(
    pattern: str,
) -> None:
    raw = mosaic(pattern, COLOURS).astype(np.uint8)
    data = array.array("B", cv2.imencode(".png", raw)[1].tobytes())
    encoding = f"bayer_{pattern}8"
    got = image_from_message(CompressedImage(format=f"{encoding}; png compressed ", data=data))
    np.testing.assert_array_equal(got, cv2.cvtColor(raw, BAYER[pattern]))
    grey = array.array("B", cv2.imencode(".jpg", raw)[1].tobytes())
    made = CompressedImage(format=f"{encoding}; jpeg compressed mono8", data=grey)
    assert np.ptp(image_from_message(made), axis=2).max() == 0


def test_a_mosaic_that_is_none_is_refused() -> None:
    data = array.array("B", cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    with pytest.raises(ImageError, match="cannot be decoded"):
        image_from_message(CompressedImage(format="bayer_rggb8; png compressed", data=data))


# ------------------------------------------------------------------------------ YUV


def yuv(colours: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.uint8], ...]:
    """Y, U and V [H,W] of RGB 0..255 by BT.601, 16 to 235 and 16 to 240."""
    r, g, b = np.moveaxis(colours / 255, 2, 0)
    y = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    u = 128 - 37.797 * r - 74.203 * g + 112.0 * b
    v = 128 + 112.0 * r - 93.786 * g - 18.214 * b
    return tuple(np.rint(plane).astype(np.uint8) for plane in (y, u, v))


@pytest.mark.parametrize("padding", [0, 1, 16])
@pytest.mark.parametrize(
    ("encoding", "order", "conversion"),
    [
        ("uyvy", "uyvy", cv2.COLOR_YUV2RGB_UYVY),
        ("yuv422", "uyvy", cv2.COLOR_YUV2RGB_UYVY),
        ("yuyv", "yuyv", cv2.COLOR_YUV2RGB_YUY2),
        ("yuv422_yuy2", "yuyv", cv2.COLOR_YUV2RGB_YUY2),
    ],
)
def test_two_pixels_that_share_their_colour_get_it_back(
    encoding: str, order: str, conversion: int, padding: int
) -> None:
    y, u, v = yuv(COLOURS)
    packed = np.empty((HEIGHT, WIDTH // 2, 4), np.uint8)
    bright = [place for place, name in enumerate(order) if name == "y"]
    packed[..., bright[0]], packed[..., bright[1]] = y[:, ::2], y[:, 1::2]
    packed[..., order.index("u")], packed[..., order.index("v")] = u[:, ::2], v[:, ::2]
    got = image_from_message(message(packed, encoding, width=WIDTH, padding=padding))
    pairs = packed.reshape(HEIGHT, WIDTH, 2)
    np.testing.assert_array_equal(got, cv2.cvtColor(pairs, conversion))
    assert np.abs(got - COLOURS).max() < 8


def planes(encoding: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    y, u, v = yuv(COLOURS)
    if encoding == "nv24":
        return y, np.stack([u, v], axis=2).reshape(HEIGHT, -1)
    pair = [u, v] if encoding == "nv12" else [v, u]
    return y, np.stack([p[::2, ::2] for p in pair], axis=2).reshape(HEIGHT // 2, -1)


@pytest.mark.parametrize("padding", [0, 16])
@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
def test_planes_of_brightness_and_of_colour_become_one_image(encoding: str, padding: int) -> None:
    y, colour = planes(encoding)
    wide = colour.shape[1] // WIDTH  # nv24 has two bytes of colour for each pixel
    padded = [np.pad(y, ((0, 0), (0, padding))), np.pad(colour, ((0, 0), (0, wide * padding)))]
    made = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=WIDTH + padding)
    made.data = array.array("B", b"".join(p.tobytes() for p in padded))
    got = image_from_message(made)
    assert got.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(got - COLOURS).max() < 8
    if encoding != "nv24":
        code = getattr(cv2, f"COLOR_YUV2RGB_{encoding.upper()}")
        np.testing.assert_array_equal(got, cv2.cvtColor(np.vstack([y, colour]), code))


@pytest.mark.parametrize("step", [0, WIDTH, WIDTH * 3 // 2, WIDTH * 2, WIDTH * 3])
@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
def test_planes_without_padding_are_read_whatever_their_step_says(encoding: str, step: int) -> None:
    made = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=step)
    made.data = array.array("B", b"".join(p.tobytes() for p in planes(encoding)))
    assert np.abs(image_from_message(made) - COLOURS).max() < 8


@pytest.mark.parametrize(
    ("encoding", "width", "height", "length", "said"),
    [
        ("uyvy", 3, 2, 12, "3x2 pixels cannot be uyvy"),
        ("uyvy", 4, 2, 15, "must have 16 bytes, got 15"),
        ("nv12", 3, 2, 9, "are even, got 3x2"),
        ("nv21", 4, 3, 18, "are even, got 4x3"),
        ("nv12", 4, 4, 23, "must have 24 bytes, got 23"),
        ("nv24", 4, 4, 24, "must have 48 bytes, got 24"),
        ("nv12", 0, 0, 0, "no pixels"),
        ("bayer_rggb16", 4, 4, 16, "must be at least 8 bytes, got 4"),
        ("mono16", 4, 4, 16, "must be at least 8 bytes, got 4"),
    ],
)
def test_what_does_not_fit_its_encoding_is_refused(
    encoding: str, width: int, height: int, length: int, said: str
) -> None:
    made = Image(height=height, width=width, encoding=encoding, step=width)
    if encoding == "uyvy":
        made.step = 2 * width
    made.data = array.array("B", bytes(length))
    with pytest.raises(ImageError, match=said):
        image_from_message(made)
