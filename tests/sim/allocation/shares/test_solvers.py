"""Laws of shares and cuts: equal end times, descent that never worsens, agreement with brute force."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.allocation.shares.problem import SharePlan, ShareProblem
from cutlayer.sim.allocation.shares.solvers import (
    alternating,
    best_cut_columns,
    best_shares,
    brute_force,
    common_cut,
    equal_shares,
    joint,
)
from cutlayer.sim.planning_error import PlanningError

SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(1, 4)
UNUSED = st.sampled_from([0.0, 0.3])
METHODS: list[Callable[[ShareProblem], SharePlan]] = [
    joint,
    alternating,
    equal_shares,
    lambda problem: common_cut(problem, equal_shares=True),
    lambda problem: common_cut(problem, equal_shares=False),
]


def random_problem(seed: int, devices: int, cuts: int, *, unused: float = 0.0) -> ShareProblem:
    """Return times over some orders of magnitude; cut 0 is allowed for all, and some cuts use no resource."""
    rng = np.random.default_rng(seed)
    shape = (devices, cuts)
    shared_s = rng.lognormal(sigma=1.5, size=shape) * 10.0 ** rng.integers(-3, 2)
    shared_s[rng.random(shape) < unused] = 0.0
    allowed = rng.random(shape) < 0.7
    allowed[:, 0] = True
    return ShareProblem(rng.lognormal(size=shape), shared_s, allowed)


def times_s(problem: ShareProblem, plan: SharePlan) -> np.ndarray:
    """Return T_i of each device, by the formula of the papers."""
    devices = np.arange(problem.num_devices)
    fixed_s, shared_s = (
        problem.fixed_s[devices, plan.cut_columns],
        problem.shared_s[devices, plan.cut_columns],
    )
    used = shared_s > 0
    fixed_s[used] += shared_s[used] / plan.shares[used]
    return fixed_s


def test_best_shares_by_hand() -> None:
    """At T = 3, 1.5/T + 1/(T − 1) = 1, so each device has a half."""
    shares, time_s = best_shares(np.array([0.0, 1.0]), np.array([1.5, 1.0]))
    np.testing.assert_allclose([0.5, 0.5], shares, rtol=1e-15)
    assert pytest.approx(3.0, rel=1e-15) == time_s


@given(seed=SEEDS, count=st.integers(1, 300))
def test_all_devices_end_together(seed: int, count: int) -> None:
    """With the best shares all T_i are equal, and the shares sum to 1."""
    rng = np.random.default_rng(seed)
    fixed_s, shared_s = rng.lognormal(sigma=3.0, size=(2, count))
    shares, time_s = best_shares(fixed_s, shared_s)
    np.testing.assert_allclose(time_s, fixed_s + shared_s / shares, rtol=1e-13)
    assert pytest.approx(1.0, rel=1e-13) == shares.sum()


@given(seed=SEEDS, count=st.integers(2, 10))
def test_no_other_shares_end_earlier(seed: int, count: int) -> None:
    """No random shares that sum to 1 have a shorter longest time."""
    rng = np.random.default_rng(seed)
    fixed_s, shared_s = rng.lognormal(size=(2, count))
    _, time_s = best_shares(fixed_s, shared_s)
    others = rng.dirichlet(np.ones(count), size=100)
    assert ((fixed_s + shared_s / others).max(axis=1) >= time_s * (1 - 1e-14)).all()


@given(seed=SEEDS, count=st.integers(1, 10))
def test_an_equal_fixed_time_changes_no_share(seed: int, count: int) -> None:
    """A fixed time of 2^50 s, equal for all devices, leaves the shares as they are without it."""
    rng = np.random.default_rng(seed)
    shared_s = rng.lognormal(size=count)
    alone, _ = best_shares(np.zeros(count), shared_s)
    np.testing.assert_allclose(shared_s / shared_s.sum(), alone, rtol=1e-14)
    np.testing.assert_allclose(alone, best_shares(np.full(count, 2.0**50), shared_s)[0], rtol=1e-14)


def test_a_device_without_shared_time_gets_no_share() -> None:
    """Its time is its fixed time, and the other devices share the whole resource."""
    shares, time_s = best_shares(np.array([9.0, 0.0, 1.0]), np.array([0.0, 1.5, 1.0]))
    np.testing.assert_allclose([0.0, 0.5, 0.5], shares, rtol=1e-15)
    assert time_s == 9.0
    shares, time_s = best_shares(np.array([1.0, 2.0]), np.zeros(2))
    np.testing.assert_array_equal([0.0, 0.0], shares)
    assert time_s == 2.0


def test_ties_between_cuts_go_to_the_lowest_column() -> None:
    """Columns 1 and 2 both take 1 + 1/0.5 = 2 + 0.5/0.5 = 3 s; so does column 0, which is not allowed."""
    problem = ShareProblem(
        np.array([[3.0, 1.0, 2.0]]), np.array([[0.0, 1.0, 0.5]]), np.array([[False, True, True]])
    )
    np.testing.assert_array_equal([1], best_cut_columns(problem, np.array([0.5])))


@given(seed=SEEDS, devices=COUNTS, cuts=st.integers(1, 6), unused=UNUSED)
def test_joint_is_the_optimum(seed: int, devices: int, cuts: int, unused: float) -> None:
    """The time of joint equals that of brute force over all combinations of cuts."""
    problem = random_problem(seed, devices, cuts, unused=unused)
    assert pytest.approx(brute_force(problem).time_s, rel=1e-12) == joint(problem).time_s


@given(seed=SEEDS, devices=st.integers(1, 60), cuts=st.integers(1, 12))
def test_the_descent_ends_at_the_optimum(seed: int, devices: int, cuts: int) -> None:
    """Where every cut uses the resource, the alternating descent ends at the time of joint."""
    problem = random_problem(seed, devices, cuts)
    assert pytest.approx(joint(problem).time_s, rel=1e-11) == alternating(problem).time_s


def test_the_descent_never_leaves_a_cut_that_uses_no_resource() -> None:
    """With equal shares device 0 takes 9 s without the resource rather than 1 + 5/0.5 s, and stays there.

    The optimum is 5/(T − 1) + 0.1/T = 1, at about T = 6.118 s.
    """
    problem = ShareProblem(
        np.array([[9.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 5.0], [0.1, 0.1]]), np.ones((2, 2), np.bool_)
    )
    stuck = alternating(problem)
    assert stuck.time_s == 9.0
    np.testing.assert_array_equal([0.0, 1.0], stuck.shares)
    plan = joint(problem)
    np.testing.assert_array_equal([1, 0], plan.cut_columns)
    assert pytest.approx(1.0, rel=1e-12) == 5 / (plan.time_s - 1) + 0.1 / plan.time_s
    assert alternating(problem, plan).time_s == plan.time_s


@given(seed=SEEDS, devices=st.integers(1, 20), cuts=st.integers(1, 8), unused=UNUSED)
def test_no_step_makes_the_longest_time_longer(seed: int, devices: int, cuts: int, unused: float) -> None:
    """The descent's times never rise, from equal shares to the final plan; those of joint always fall."""
    problem = random_problem(seed, devices, cuts, unused=unused)
    plan = alternating(problem)
    assert (np.diff(plan.history_s) <= 0).all()
    assert plan.history_s[0] == equal_shares(problem).time_s
    assert plan.history_s[-1] == plan.time_s
    assert (np.diff(joint(problem).history_s) < 0).all()


@given(seed=SEEDS, devices=st.integers(1, 20), cuts=st.integers(1, 8), unused=UNUSED)
def test_the_descent_is_never_worse_than_its_start(seed: int, devices: int, cuts: int, unused: float) -> None:
    """The descent from a plan ends no later than that plan."""
    problem = random_problem(seed, devices, cuts, unused=unused)
    start = common_cut(problem, equal_shares=True)
    assert alternating(problem, start).time_s <= start.time_s


@given(seed=SEEDS, devices=st.integers(1, 20), cuts=st.integers(1, 8), unused=UNUSED)
def test_every_plan_is_valid_and_no_plan_beats_joint(
    seed: int, devices: int, cuts: int, unused: float
) -> None:
    """Each method's cuts are allowed, its shares sum to at most 1, and its time is max T_i."""
    problem = random_problem(seed, devices, cuts, unused=unused)
    best_s = joint(problem).time_s
    for method in METHODS:
        plan = method(problem)
        assert problem.allowed[np.arange(devices), plan.cut_columns].all()
        assert plan.shares.sum() <= 1 + 1e-14
        assert pytest.approx(times_s(problem, plan).max(), rel=1e-14) == plan.time_s
        assert best_s <= plan.time_s * (1 + 1e-12)


@given(seed=SEEDS, devices=st.integers(2, 20), cuts=st.integers(2, 8), unused=UNUSED)
def test_more_freedom_is_never_worse(seed: int, devices: int, cuts: int, unused: float) -> None:
    """Neither more memory nor one device less lengthens the optimum."""
    problem = random_problem(seed, devices, cuts, unused=unused)
    longest_s = joint(problem).time_s * (1 + 1e-12)
    assert joint(replace(problem, allowed=np.ones_like(problem.allowed))).time_s <= longest_s
    fewer = ShareProblem(problem.fixed_s[1:], problem.shared_s[1:], problem.allowed[1:])
    assert joint(fewer).time_s <= longest_s


@given(seed=SEEDS, devices=st.integers(1, 8), cuts=st.integers(1, 8), unused=UNUSED)
def test_the_common_cut_is_the_best_that_is_allowed_for_all(
    seed: int, devices: int, cuts: int, unused: float
) -> None:
    """No column that is allowed for all devices is faster, with equal or with optimal shares."""
    problem = random_problem(seed, devices, cuts, unused=unused)
    columns = np.flatnonzero(problem.allowed.all(axis=0))
    even_s = [(problem.fixed_s[:, cut] + devices * problem.shared_s[:, cut]).max() for cut in columns]
    best_s = [best_shares(problem.fixed_s[:, cut], problem.shared_s[:, cut])[1] for cut in columns]
    assert pytest.approx(min(even_s), rel=1e-14) == common_cut(problem, equal_shares=True).time_s
    assert min(best_s) == common_cut(problem, equal_shares=False).time_s


def test_brute_force_tries_all_combinations() -> None:
    """Of 31^4 combinations, which are below the limit, the last and best one is plan."""
    times_of_cuts_s = np.ones((4, 31))
    times_of_cuts_s[:, -1] = 0.5
    problem = ShareProblem(times_of_cuts_s, times_of_cuts_s, np.ones((4, 31), np.bool_))
    plan = brute_force(problem)
    np.testing.assert_array_equal([30] * 4, plan.cut_columns)
    assert pytest.approx(0.5 + 4 * 0.5, rel=1e-14) == plan.time_s


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 2), "5 devices have 32 combinations of cuts; brute force takes 4 devices"),
        ((4, 32), r"4 devices have 1\.04858e\+06 combinations of cuts; .* and 1,000,000 combinations"),
    ],
)
def test_brute_force_refuses_what_it_cannot_finish(shape: tuple[int, int], message: str) -> None:
    """Brute force refuses too many devices or combinations; the error names the limits."""
    problem = ShareProblem(np.ones(shape), np.ones(shape), np.ones(shape, np.bool_))
    with pytest.raises(PlanningError, match=message):
        brute_force(problem)


ONES = np.ones((3, 2))
ALL_ALLOWED = np.ones((3, 2), np.bool_)
NONE_FOR_DEVICE_1 = np.array([[True, True], [False, False], [True, True]])
CROSSED = np.array([[True, False], [True, True], [False, True]])


@pytest.mark.parametrize(
    ("fixed_s", "shared_s", "allowed", "message"),
    [
        (ONES, ONES, NONE_FOR_DEVICE_1, "device 1 may take none of the 2 cuts: its memory permits none"),
        (ONES, ONES[:2], ALL_ALLOWED, r"fixed_s \(3, 2\), shared_s \(2, 2\), allowed \(3, 2\)"),
        (
            np.nan * ONES,
            ONES,
            ALL_ALLOWED,
            "fixed_s of device 0 in column 0 must be finite and at least 0, not nan",
        ),
        (ONES, -ONES, CROSSED, "shared_s of device 0 in column 0 must be finite and at least 0, not -1"),
    ],
)
def test_impossible_times_are_refused(
    fixed_s: np.ndarray, shared_s: np.ndarray, allowed: np.ndarray, message: str
) -> None:
    """The error names the device, the column and the broken rule."""
    with pytest.raises(PlanningError, match=message):
        ShareProblem(fixed_s, shared_s, allowed)


def test_times_of_cuts_that_are_not_allowed_are_ignored() -> None:
    """Times of cuts that are not allowed may be infinite or NaN."""
    fixed_s, shared_s = np.array([[1.0, np.nan]]), np.array([[1.0, np.inf]])
    problem = ShareProblem(fixed_s, shared_s, np.array([[True, False]]))
    assert {2.0} == {method(problem).time_s for method in (*METHODS, brute_force)}


def test_a_common_cut_must_be_allowed_for_all_devices() -> None:
    """The error names the column that most devices allow, and a device that does not."""
    problem = ShareProblem(ONES, ONES, CROSSED)
    with pytest.raises(PlanningError, match=r"for all 3 devices: column 0 .* 1 of them, the first device 2"):
        common_cut(problem, equal_shares=True)


def test_a_share_of_0_needs_a_cut_without_shared_time() -> None:
    """A device with a share of 0 whose cuts all need a share is refused by number."""
    with pytest.raises(PlanningError, match="device 2 has a share of 0, and each cut"):
        best_cut_columns(ShareProblem(ONES, ONES, ALL_ALLOWED), np.array([0.5, 0.5, 0.0]))
