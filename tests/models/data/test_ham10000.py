"""The HAM10000 reader keeps lesions whole, resizes images and names faults."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cutlayer.models.data.dataset import Dataset, DatasetFileError
from cutlayer.models.data.ham10000 import CLASSES, Ham10000Parameters, load

LESIONS_PER_CLASS = 10
HEADER = ["lesion_id", "image_id", "dx", "age"]


def rows() -> list[list[str]]:
    """Return one to three images of each lesion."""
    return [
        [f"HAM_{label}{lesion:02}", f"ISIC_{label}{lesion:02}{copy}", CLASSES[label], "50.0"]
        for label in range(len(CLASSES))
        for lesion in range(LESIONS_PER_CLASS)
        for copy in range(1 + lesion % 3)
    ]


def colour(image: str) -> tuple[int, int, int]:
    """Return a lesion's colour, the same for all of its images."""
    label, lesion = int(image[5]), int(image[6:8])
    return 30 * label, 20 * lesion, 100


def write(folder: Path) -> None:
    with (folder / "HAM10000_metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows()])
    parts = [folder / "HAM10000_images_part_1", folder / "HAM10000_images_part_2", folder]
    for number, (_, image, _, _) in enumerate(rows()):
        part = parts[number % 3]
        part.mkdir(exist_ok=True)
        Image.new("RGB", (24, 18), colour(image)).save(part / f"{image}.jpg", quality=95)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def loaded(folder: Path, *, shape: tuple[int, int, int] = (3, 6, 8)) -> Dataset:
    return load(Ham10000Parameters(name="ham10000", path=folder), shape)


def lesions(dataset: Dataset, part: str) -> dict[tuple[int, int], int]:
    """Return the number of images per class and lesion in a part, by their colours."""
    everything = np.concatenate([dataset.train_images, dataset.test_images])
    green = everything.mean(axis=(2, 3))[:, 1]
    span = green.max() - green.min()
    images, labels = getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels")
    level = (images.mean(axis=(2, 3))[:, 1] - green.min()) / span * (LESIONS_PER_CLASS - 1)
    found: dict[tuple[int, int], int] = {}
    for label, lesion in zip(labels.tolist(), np.rint(level).astype(int).tolist(), strict=True):
        found[label, lesion] = found.get((label, lesion), 0) + 1
    return found


def test_all_images_of_a_lesion_are_on_one_side(folder: Path) -> None:
    """No lesion is split over training and test set. A fifth of each class's lesions are in the test set."""
    dataset = loaded(folder)
    train, test = lesions(dataset, "train"), lesions(dataset, "test")
    assert set() == train.keys() & test.keys()
    for (_, lesion), count in (train | test).items():
        assert 1 + lesion % 3 == count
    for label in range(len(CLASSES)):
        assert LESIONS_PER_CLASS * 0.2 == sum(key[0] == label for key in test)
        assert LESIONS_PER_CLASS * 0.8 == sum(key[0] == label for key in train)


def test_images_are_resized_to_the_model(folder: Path) -> None:
    """Images have the model's height and width. The channels are always red, green and blue."""
    assert (3, 6, 8) == loaded(folder).input_shape
    assert (3, 30, 10) == loaded(folder, shape=(1, 30, 10)).input_shape
    assert len(CLASSES) == loaded(folder).classes


def test_orientation_survives_resizing(tmp_path: Path) -> None:
    """Resizing keeps the orientation: a bright upper left corner stays the upper left corner."""
    write(tmp_path)
    pixels = np.zeros((18, 24, 3), np.uint8)
    pixels[:9, :12] = 255
    for path in tmp_path.rglob("*.jpg"):
        Image.fromarray(pixels).save(path, quality=95)
    image = loaded(tmp_path).train_images[0, 0]  # [6, 8]
    bright = image > image.mean()
    expected = np.zeros((6, 8), bool)
    expected[:3, :4] = True
    np.testing.assert_array_equal(expected, bright)


def test_missing_images_are_counted_and_the_first_is_named(folder: Path) -> None:
    """The error states the number of missing images, the first of them, and the source."""
    for image in (rows()[3][1], rows()[5][1]):
        next(folder.rglob(f"{image}.jpg")).unlink()
    message = f"2 of the {len(rows())} images listed are missing, the first is {rows()[3][1]}.jpg"
    with pytest.raises(DatasetFileError, match=rf"^{re.escape(str(folder))}: {message}.*DBW86T"):
        loaded(folder)


@pytest.mark.parametrize("keep", [0, 200, 400])
def test_a_broken_image_is_named(folder: Path, keep: int) -> None:
    """A truncated image is an error with its path and the source."""
    path = next(folder.rglob(f"{rows()[7][1]}.jpg"))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DatasetFileError, match=rf"^{re.escape(str(path))}: .*DBW86T"):
        loaded(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lesion_id,image_id\na,b\n", "must have the columns lesion_id, image_id, dx; it lacks dx"),
        ("", "it lacks lesion_id, image_id, dx"),
        ("lesion_id,image_id,dx\n", "at least one image; it lists none"),
        ("lesion_id,image_id,dx\na,b,nv\nc,d,wart\n", "line 3: .*'c', 'd', 'wart'"),
        ("lesion_id,image_id,dx\na,b,nv\nc\n", "line 3: .*'c', '', ''"),
        ("lesion_id,image_id,dx\n,b,nv\n", "line 2: .*'', 'b', 'nv'"),
    ],
)
def test_broken_metadata_are_named(tmp_path: Path, text: str, message: str) -> None:
    """Missing columns or rows, unknown diagnoses and short rows are errors that state the line."""
    path = tmp_path / "HAM10000_metadata.csv"
    path.write_text(text)
    with pytest.raises(DatasetFileError, match=rf"^{re.escape(str(path))}: .*{message}.*DBW86T"):
        loaded(tmp_path)


def test_missing_metadata_are_named(tmp_path: Path) -> None:
    """A missing metadata table is an error that states its path and the source."""
    with pytest.raises(DatasetFileError, match=r"no file HAM10000_metadata\.csv \(or .*\.tab\).*DBW86T"):
        loaded(tmp_path)


def test_metadata_with_tabs_equal_those_with_commas(folder: Path) -> None:
    """The table that Harvard Dataverse serves, separated by tabs and with quotes, gives the same data set."""
    commas = loaded(folder)
    (folder / "HAM10000_metadata.csv").unlink()
    with (folder / "HAM10000_metadata.tab").open("w", newline="") as file:
        csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL).writerows([HEADER, *rows()])
    tabs = loaded(folder)
    assert np.array_equal(commas.train_images, tabs.train_images)
    assert np.array_equal(commas.test_labels, tabs.test_labels)


@pytest.mark.parametrize(
    ("size", "message"),
    [(b"\x20\x00\x20\x01", "8193 x 8192 pixels"), (b"\xf0\x00\xf0\x00", "exceeds limit")],
)
def test_an_image_of_absurd_size_is_refused(folder: Path, size: bytes, message: str) -> None:
    """The header alone decides, so that nothing of the image is decoded."""
    path = folder / f"{rows()[0][1]}.jpg"
    path = next(folder.rglob(path.name))
    content = bytearray(path.read_bytes())
    frame = content.index(b"\xff\xc0")  # start of frame: length, precision, height and width follow
    content[frame + 5 : frame + 9] = size
    path.write_bytes(content)
    with pytest.raises(DatasetFileError, match=message):
        loaded(folder)
