"""``learning.validation_share``: held-out samples are not trained on, and are evaluated."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import cutlayer
import cutlayer.models.data.catalogue
from cutlayer.models.data.dataset import Dataset
from cutlayer.models.data.digits import DigitsParameters, load
from cutlayer.models.data.validation import hold_out
from cutlayer.models.learning.base import Learner
from cutlayer.models.learning.client_data import BatchSampler, ClientData
from cutlayer.models.learning.epsl import EpslLearner
from cutlayer.models.learning.factory import client_data
from cutlayer.models.learning.sfl import PrivateServerLearner
from cutlayer.models.learning.sl import SequentialSplitLearner
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.schema.partition import Partition
from cutlayer.scenarios.schema.scenario import Learning
from tests.support.learners import adam, composites, make

CLIENTS = 2
RUN = [
    "model={name: mlp, input_shape: [1, 8, 8], classes: 10, hidden: [8]}",
    "stop.rounds=3",
    "learning.evaluate_every=2",
    "allocation.cut=1",
]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """Return the digits, with all samples that are not in the test set for training."""
    return load(DigitsParameters(name="digits"), (1, 8, 8))


def rows(images: Tensor, labels: Tensor) -> Counter[tuple[bytes, int]]:
    """Return the number of occurrences of each labelled image."""
    return Counter((i.numpy().tobytes(), int(n)) for i, n in zip(images, labels, strict=True))


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("partition", [Partition(), Partition(kind="shards", classes_per_client=5)])
def test_nothing_held_out_reaches_a_client(partition: Partition, seed: int, digits: Dataset) -> None:
    """Clients, validation and test set share out all samples. Seed and partition change no validation set."""
    apart = hold_out(digits, 0.15)
    learning = Learning(dataset="digits", partition=partition)
    sizes = client_data(learning, apart, clients=CLIENTS, batch_size=1, seed=seed).samples
    trained: Counter[tuple[bytes, int]] = Counter()
    for client, size in enumerate(sizes):  # a mini-batch of all that a client has
        data = client_data(learning, apart, clients=CLIENTS, batch_size=size, seed=seed)
        trained += rows(*data.batch(client, 1))
    assert data.validation is not None
    assert apart.validation is not None
    assert np.array_equal(apart.validation[0], data.validation[0].numpy())
    everything = rows(*data.validation) + rows(*data.test) + trained
    whole = client_data(
        Learning(dataset="digits"), digits, clients=1, batch_size=len(digits.train_labels), seed=seed
    )
    assert rows(*whole.batch(0, 1)) + rows(*whole.test) == everything
    assert not rows(*data.validation).keys() & trained.keys()


def toy(*, validated: bool) -> ClientData:
    """Return two clients with twelve samples of three classes, and five validation samples if asked for."""
    rng = np.random.default_rng(2)

    def images(count: int) -> np.ndarray:
        return rng.standard_normal((count, 1, 4, 4)).astype(np.float32)

    dataset = Dataset("toy", images(12), np.arange(12) % 3, images(4), np.array([0, 1, 1, 1]), classes=3)
    if validated:
        dataset = replace(dataset, validation=(images(5), np.array([0, 0, 1, 2, 2])))
    parts = [np.arange(6), np.arange(6, 12)]
    sampler = BatchSampler(parts, 3, seed=0)
    return ClientData(dataset, parts, sampler, device=torch.device("cpu"), dtype=torch.float64)


def dense() -> nn.Sequential:
    """Return a model of two linear units."""
    return nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), nn.Linear(3, 3))


def test_validation_accuracy_is_the_mean_of_the_composites_on_the_validation_set() -> None:
    """Clients 0 and 1 predict classes 0 and 1: 2/5 and 1/5 of validation, 1/4 and 3/4 of test samples."""
    learner = make(EpslLearner, dense, toy(validated=True), cut=1)
    with torch.no_grad():
        learner.server.module[0].weight.copy_(torch.eye(3))
        learner.server.module[0].bias.zero_()
        for named, part in enumerate(learner.clients):
            part.module[0][1].weight.zero_()
            part.module[0][1].bias.copy_(torch.eye(3)[named])
    evaluation = learner.evaluate()
    assert pytest.approx((2 / 5 + 1 / 5) / 2, abs=1e-12) == evaluation.validation
    assert (1 / 4, 3 / 4) == evaluation.per_client


def test_one_common_model_is_validated_as_any_client_s() -> None:
    """The validation accuracy of SL's one model is its fraction of correct answers, computed here."""
    data = toy(validated=True)
    learner = make(SequentialSplitLearner, dense, data, cut=1)
    learner.turn(0, 1)
    client, server = composites(learner)[0]
    assert data.validation is not None
    images, labels = data.validation
    with torch.no_grad():
        right = int((server(client(images)).argmax(dim=1) == labels).sum())
    assert right / 5 == learner.evaluate().validation


@pytest.mark.parametrize("kind", [EpslLearner, PrivateServerLearner])
def test_validation_samples_change_nothing_that_is_learnt(kind: type[Learner]) -> None:
    """With the same training samples, weights and test accuracies are equal with validation and without."""
    learners = [make(kind, dense, toy(validated=given), cut=1, optimizer=adam()) for given in (True, False)]
    evaluations = []
    for learner in learners:
        for number in (1, 2, 3):
            learner.client_forward((0, 1), number)
            learner.server_step(0, number)
            learner.client_step()
            evaluations.append(learner.evaluate())
    first, second = learners
    assert first.fingerprint() == second.fingerprint()
    assert [replace(e, validation=None) for e in evaluations[:3]] == evaluations[3:]
    assert all(e.validation is not None for e in evaluations[:3])


def test_a_run_reports_the_validation_accuracy() -> None:
    """Each evaluated round has it in its row, the summary has the last; without a share neither has."""
    schemes = ["sl", "psl"]
    share = [*RUN, "learning.validation_share=0.2"]
    apart, whole = (cutlayer.run("quickstart", overrides=o, schemes=schemes) for o in (share, RUN))
    for label in schemes:
        mine = apart.rounds[apart.rounds["label"] == label].set_index("round")["validation_accuracy"]
        assert [False, True, True] == mine.notna().tolist()
        assert mine[3] == apart.summary["schemes"][label]["final_validation_accuracy"]
        assert whole.summary["schemes"][label]["final_validation_accuracy"] is None
    assert whole.rounds["validation_accuracy"].isna().all()
    held_out = sum(apart.devices["samples"]) / sum(whole.devices["samples"])
    assert pytest.approx(0.8, abs=0.005) == held_out


def test_a_share_without_a_sample_is_wrong_input() -> None:
    """The message states the key, the share and the resulting number of samples."""
    with pytest.raises(
        ScenarioError, match=r"learning\.validation_share: .* 1e-05 of .* gives 0 for validation"
    ):
        cutlayer.run("quickstart", overrides=[*RUN, "learning.validation_share=0.00001"])
