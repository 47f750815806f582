import numpy as np
import pytest
from PIL import Image

from worker.planes import MARGIN, Planes, shape_of, to_yuv

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)
STORED = [(BLACK, (16, 128, 128)), (WHITE, (235, 128, 128)), (RED, (63, 102, 240))]


@pytest.mark.parametrize(("colour", "stored"), STORED)
def test_colours_are_stored_as_television_does(colour, stored):
    picture = Planes.of(Image.new("RGB", (4, 2), colour))

    assert to_yuv(colour) == stored
    assert np.abs(picture.y.astype(int) - stored[0]).max() <= 1
    assert np.abs(picture.uv.astype(int) - np.array(stored[1:])[:, None, None]).max() <= 1


def test_a_shape_covers_its_place_and_nothing_far_from_it():
    picture = Planes.plain(64, 48, BLACK)

    picture.blend(shape_of(20, 10, 3), 30, 20, WHITE, 1.0)

    assert (picture.y[24:28, 34:46] == 235).all()
    assert (picture.y[:20] == 16).all()
    assert (picture.y[:, :30] == 16).all()


def test_a_halo_fades_to_nothing_at_its_margin():
    picture = Planes.plain(128, 96, BLACK)

    picture.blend(shape_of(20, 10, 3), 60, 40, WHITE, 1.0, halo=True)

    row = picture.y[45].astype(int)
    assert row[58] > row[54] > row[50] > 16
    assert (row[: 60 - MARGIN] == 16).all()


@pytest.mark.parametrize("corner", [(-10, -4), (60, 44), (-40, 10), (200, 10), (10, -100), (10, 200)])
def test_what_reaches_out_of_a_picture_is_cut_off(corner):
    large, small = Planes.plain(512, 512, BLACK), Planes.plain(64, 48, BLACK)

    for picture, shift in ((large, 200), (small, 0)):
        picture.blend(shape_of(30, 12, 3), corner[0] + shift, corner[1] + shift, RED, 0.7, halo=True)

    for seen, cut in zip(large.window(200, 200, 64, 48), small, strict=True):
        assert np.array_equal(seen, cut)


def test_another_picture_shines_through():
    picture = Planes.plain(8, 8, BLACK)

    picture.fade(Planes.plain(8, 8, WHITE), 0.5)

    assert (picture.y == (16 + 235) // 2).all()
