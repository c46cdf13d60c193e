"""Validation samples: a fraction of the training set that is held out, to select parameters."""

from __future__ import annotations

from dataclasses import replace

from .dataset import Dataset, DatasetError, stratified_split

__all__ = ["hold_out"]


def hold_out(dataset: Dataset, share: float) -> Dataset:
    """Return the data set with a fraction of each class's training samples held out for validation.

    No client receives the held-out samples. They are the same for every seed and scheme, as the test set is.
    The images were normalised with statistics of the whole training set.

    Parameters
    ----------
    dataset : Dataset
        A data set without validation samples.
    share : float
        Fraction in [0, 1), to the nearest sample of each class; 0 returns the data set unchanged.

    Raises
    ------
    DatasetError
        If the share is above 0 and holds out no sample, or all samples.
    """
    if share == 0:
        return dataset
    train, validation = stratified_split(dataset.train_labels, share, purpose="validation_split")
    if 0 in (len(train), len(validation)):
        raise DatasetError(
            f"validation_share must leave samples for training and validation; {share:g}"
            f" of the {len(dataset.train_labels)} samples of {dataset.name} gives {len(validation)}"
            f" for validation and {len(train)} for training"
        )
    return replace(
        dataset,
        train_images=dataset.train_images[train],
        train_labels=dataset.train_labels[train],
        validation=(dataset.train_images[validation], dataset.train_labels[validation]),
    )
