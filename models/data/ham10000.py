"""HAM10000: 10,015 dermatoscopic images of 7,470 lesions in 7 classes (Tschandl et al. 2018)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...scenarios.registry import Parameters
from ...scenarios.schema.fields import ScenarioPath
from .dataset import Dataset, reading, standardised, stratified_split

__all__ = ["CLASSES", "Ham10000Parameters", "load"]

SOURCE = "https://doi.org/10.7910/DVN/DBW86T (HAM10000, Harvard Dataverse)"
CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
COLUMNS = ("lesion_id", "image_id", "dx")
FOLDERS = (".", "HAM10000_images_part_1", "HAM10000_images_part_2")
METADATA = ("HAM10000_metadata.csv", "HAM10000_metadata.tab")
MAX_HEADER = 10_000  # characters
MAX_PIXELS = 2**26  # of one image; those of HAM10000 have 600 x 450
TEST_SHARE = 0.2


class Ham10000Parameters(Parameters):
    """Folder of ``HAM10000_metadata.csv`` or ``.tab``, and of the images, which may be in two subfolders."""

    path: ScenarioPath = Field(description="folder with the images and the metadata file")


def load(parameters: Ham10000Parameters, input_shape: tuple[int, int, int]) -> Dataset:
    """Return the images in the model's height and width. A fifth of each class's lesions form the test set.

    All images of a lesion are on the same side of the split. Otherwise a model could recognise a lesion
    instead of its class. Images are resized to the shape of the model's input, whatever their aspect ratio.
    The pixels, 0 to 255, are scaled per channel to mean 0 and variance 1 over the training set.

    Parameters
    ----------
    parameters : Ham10000Parameters
        Folder of the files.
    input_shape : tuple of int
        Channels, height and width of the model's input. The channels are always red, green and blue.

    Raises
    ------
    DatasetFileError
        If the metadata or an image is missing or broken.
    """
    folder, (_, height, width) = parameters.path, input_shape
    with reading(folder, SOURCE):
        metadata = _metadata_path(folder)
    with reading(metadata, SOURCE):
        lesions, images, labels = _metadata(metadata)
    with reading(folder, SOURCE):
        paths = _image_paths(folder, images)
    pixels = np.empty((len(paths), 3, height, width), np.uint8)
    for row, path in zip(pixels, paths, strict=True):
        with reading(path, SOURCE):
            row[:] = _pixels(path, height, width)
    _, first, lesion = np.unique(lesions, return_index=True, return_inverse=True)
    _, test_lesions = stratified_split(labels[first], TEST_SHARE)
    test = np.isin(lesion, test_lesions)  # [num_images]
    with reading(folder, SOURCE):
        return standardised(
            "ham10000",
            train=(pixels[~test], labels[~test]),
            test=(pixels[test], labels[test]),
            classes=len(CLASSES),
        )


def _metadata_path(folder: Path) -> Path:
    """Return the file of the metadata; Harvard Dataverse serves it as .tab, and as .csv on request."""
    for name in METADATA:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"no file {METADATA[0]} (or {', '.join(METADATA[1:])}) in it")


def _metadata(path: Path) -> tuple[list[str], list[str], NDArray[np.int64]]:
    """Return the lesion, the name and the class of each image, [num_images] each."""
    rows: list[tuple[str, str, int]] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        tabs = "\t" in file.readline(MAX_HEADER)  # Dataverse separates by tabs, whatever the file's name
        file.seek(0)
        reader = csv.DictReader(file, delimiter="\t" if tabs else ",")
        absent = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if absent:
            raise ValueError(f"must have the columns {', '.join(COLUMNS)}; it lacks {', '.join(absent)}")
        for row in reader:
            lesion, image, diagnosis = (row[column] or "" for column in COLUMNS)
            if not lesion or not image or diagnosis not in CLASSES:
                raise ValueError(
                    f"line {reader.line_num}: needs a lesion_id, an image_id and a dx of "
                    f"{', '.join(CLASSES)}; it has {lesion!r}, {image!r}, {diagnosis!r}"
                )
            rows.append((lesion, image, CLASSES.index(diagnosis)))
    if not rows:
        raise ValueError("must list at least one image; it lists none")
    if len({image for _, image, _ in rows}) < len(rows):
        raise ValueError("must list each image once; an image_id is listed several times")
    lesions, images, labels = zip(*rows, strict=True)
    return list(lesions), list(images), np.array(labels, dtype=np.int64)


def _image_paths(folder: Path, images: Sequence[str]) -> list[Path]:
    paths = {path.stem: path for part in FOLDERS for path in sorted((folder / part).glob("*.jpg"))}
    missing = [image for image in images if image not in paths]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of the {len(images)} images listed are missing, the first is {missing[0]}.jpg"
        )
    return [paths[image] for image in images]


def _pixels(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """Return an image as [3, height, width]."""
    from PIL import Image  # imported here because only loading needs it

    try:
        opened = Image.open(path, formats=("JPEG",))  # other formats could start other programs
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None
    with opened as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"has {image.width} x {image.height} pixels; at most {MAX_PIXELS} are read")
        image.draft("RGB", (2 * width, 2 * height))  # decodes the JPEG at a reduced size, which is faster
        resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)
