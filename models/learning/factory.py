"""Builds the clients' data and a scheme's learner from the sections of a scenario."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ...scenarios.random_streams import stream
from ...scenarios.registry import Parameters, lookup
from ...scenarios.schema.compression import Compression
from ...scenarios.schema.scenario import Learning, Optimizer
from ..data.dataset import Dataset, DatasetError
from ..data.partition import split
from .base import Learner, LearnerConfig
from .client_data import BatchSampler, ClientData
from .parts.client_batching import BatchedPass
from .parts.part import MixedSequential, Part, draws_values

__all__ = ["check_batched", "client_data", "load_dataset", "make_learner"]


def load_dataset(learning: Learning, model: Parameters) -> Dataset:
    """Return the scenario's data set, checked against the input shape and the classes of the model.

    Raises
    ------
    DatasetError
        If the data set cannot be read, or its images or classes do not fit the model.
    """
    input_shape = tuple(getattr(model, "input_shape"))  # noqa: B009 - every trainable model has it
    classes = getattr(model, "classes")  # noqa: B009
    parameters = learning.dataset
    if getattr(parameters, "classes", classes) is None:  # the data set takes any number of classes
        parameters = parameters.model_copy(update={"classes": classes})
    dataset: Dataset = lookup("dataset", parameters.name).load()(parameters, input_shape)
    if dataset.input_shape != input_shape:
        raise DatasetError(
            f"{dataset.name} has images of {_shape(dataset.input_shape)};"
            f" model.input_shape is {_shape(input_shape)}"
        )
    if dataset.classes > classes:
        raise DatasetError(f"{dataset.name} has {dataset.classes} classes; model.classes is {classes}")
    return dataset


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)


def client_data(
    learning: Learning, dataset: Dataset, *, clients: int, batch_size: int, seed: int
) -> ClientData:
    """Return the data set, partitioned over the clients, on the device that trains. Sets torch's threads.

    Raises
    ------
    DatasetError
        If the partition leaves a client without samples.
    ValueError
        If the scenario asks for CUDA and torch finds no CUDA device.
    """
    device = training_device(learning.device)
    torch.set_num_threads(learning.threads)
    parts = split(learning.partition, dataset.train_labels, clients, stream(seed, "partition"))
    return ClientData(
        dataset,
        parts,
        BatchSampler(parts, batch_size, seed, device),
        device=device,
        dtype=torch.float64 if learning.precision == "float64" else torch.float32,
    )


def training_device(name: str) -> torch.device:
    """Return the torch device of a name: ``cpu``, ``cuda`` or ``auto``."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("it is cuda, and this machine has none that torch can use")
    return torch.device(name)


def check_batched(model: Parameters, data: ClientData) -> None:
    """Raise a PassError if a batched pass cannot run this model, unless the model draws random values."""
    images, _ = data.test
    inputs = [images[:2]] * 2
    settings = Optimizer()
    modules = [lookup("model", model.name).load()(model).to(images).train() for _ in inputs]
    if draws_values(modules[0], images):
        return
    BatchedPass().forward([Part(module, settings, settings.client_lr) for module in modules], inputs)


def make_learner(
    entry_point: str,
    options: Mapping[str, Any],
    *,
    model: Parameters,
    cut: int,
    data: ClientData,
    learning: Learning,
    seed: int,
    compression: Compression | None = None,
) -> Learner:
    """Return the learner that a scheme names as ``"module:Class"``.

    Parameters
    ----------
    options : mapping of str to object
        Keyword arguments of the learner's class, which the scheme chooses.
    model : Parameters
        The model section of the scenario.
    cut : int
        Number of units on the client; 0 if the model is not split.
    compression : Compression or None
        The compression that applies to the scheme.
    """
    module, _, name = entry_point.partition(":")
    learner_class: type[Learner] = getattr(importlib.import_module(module), name)
    builder = lookup("model", model.name).load()
    sequence = MixedSequential if learning.precision == "mixed" else nn.Sequential

    def build() -> nn.Sequential:
        return sequence(*builder(model))

    config = LearnerConfig(
        build, cut, data, learning.optimizer, seed, compression, clients_pass=learning.clients_pass
    )
    return learner_class(config, **options)
