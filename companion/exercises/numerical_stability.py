"""Exercises of the chapter *Numerical stability*."""

import numpy as np

import companion
from companion import naive
from companion.exercises.exercise import FunctionExercise, Mistake, NumberExercise

LIBRARY = ("softmax", "log_softmax", "logsumexp", "log_sum_parts", "logaddexp")


def array(*rows):
    return np.array(rows, dtype=float)


# softmax: two-dimensional logits to probabilities.


def _shifted_by(statistic):
    def softmax(x):
        exps = np.exp(x - statistic(x))
        return exps / exps.sum(axis=-1, keepdims=True)

    return softmax


def _loop(x):
    rows = []
    for row in x:
        exps = [np.exp(value - max(row)) for value in row]
        rows.append([e / sum(exps) for e in exps])
    return np.array(rows)


def _by_pairs(x):
    with np.errstate(over="ignore"):  # a gap that overflows belongs to a probability of 0
        return 1 / np.exp(x[:, None, :] - x[:, :, None]).sum(axis=-1)


def _by_einsum(x):
    exps = np.exp(x - np.sort(x, axis=1)[:, -1:])
    return exps / np.einsum("nk->n", exps)[:, np.newaxis]


def _one_max_per_batch_column_sum(x):
    exps = np.exp(x - x.max(axis=0, keepdims=True))
    return exps / exps.sum(axis=0, keepdims=True)


softmax = FunctionExercise(
    name="softmax",
    stub='''
def softmax(x):
    """Each row of x, a 2-D array of logits, turned into probabilities."""
    ...
''',
    answer="""
def softmax(x):
    exps = np.exp(x - x.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)
""",
    why="The largest exponent of each row is 0, so nothing overflows, and the sum is at least "
    "1, so nothing is divided by 0. The shift cancels in the fraction.",
    reference=companion.softmax,
    hints=(
        "Try the row [1000, 0], and then two rows that lie far from each other.",
        "Adding a number to a whole row changes nothing. Which number, one for each row, "
        "keeps exp at 1 or below?",
        "Subtract `x.max(axis=-1, keepdims=True)` before exp, and divide by the sum over the "
        "same axis.",
    ),
    probes=(
        (array([1, 2, 3]),),
        (array([0.5, -1.5], [2.0, 0.25]),),
        (array([1, 2, 3, 4], [0, 0, 0, 9], [-1, 5, 2, 2]),),
        (array([1000, 1001], [0, 1]),),
        (array([0, 1], [-1000, -1001]),),
        (array([400, 400, 400, -400]),),
        (array([-5, -6, 3000]),),
        (array([700, -3000]),),  # the mean and the smallest overflow; no shift does not
    ),
    fresh=lambda rng: (5 * rng.normal(size=(3, 4)),),
    shortcuts=("softmax", "log_softmax", "logsumexp"),
    atol=0.0,  # small probabilities are wanted with their digits
    rtol=1e-6,  # and no more is asked of them than float32 has
    also_right=(_loop, _by_pairs, _by_einsum),
    mistakes=(
        Mistake(
            "no-shift",
            naive.softmax,
            "Right for small logits, but exp(1000) is inf and inf / inf is nan. A number "
            "subtracted from a whole row cancels in the fraction: choose one.",
        ),
        Mistake(
            "maximum-of-all",
            _shifted_by(np.max),
            "You subtract the largest logit of the whole batch. A row that lies far below it "
            "underflows to 0 / 0. Each row needs its own.",
        ),
        Mistake(
            "minimum",
            _shifted_by(lambda x: x.min(axis=-1, keepdims=True)),
            "You subtract the smallest logit, so the exponents grow instead of shrinking. "
            "What must stay small is the largest one.",
        ),
        Mistake(
            "mean",
            _shifted_by(lambda x: x.mean(axis=-1, keepdims=True)),
            "You subtract the mean, which leaves large exponents where one logit stands far "
            "above the others. Only one choice bounds them all.",
        ),
        Mistake(
            "absolute-maximum",
            _shifted_by(lambda x: np.abs(x).max(axis=-1, keepdims=True)),
            "You subtract the largest absolute value. Rows that are far below 0 then "
            "underflow to 0 / 0. Take the largest value with its sign.",
        ),
        Mistake(
            "columns",
            _one_max_per_batch_column_sum,
            "Your columns add up to 1, not your rows. Each row is one example, and its "
            "classes lie on the last axis.",
        ),
        Mistake(
            "one-sum",
            lambda x: (
                np.exp(x - x.max(axis=-1, keepdims=True))
                / np.exp(x - x.max(axis=-1, keepdims=True)).sum()
            ),
            "All rows together add up to 1. The sum needs an axis, so that each row has its "
            "own.",
        ),
        Mistake(
            "one-sum-no-shift",
            lambda x: np.exp(x) / np.exp(x).sum(),
            "All rows together add up to 1: the sum needs an axis. And exp(1000) is inf: a "
            "number subtracted from a whole row cancels in the fraction.",
        ),
        Mistake(
            "no-keepdims-no-shift",
            lambda x: np.exp(x) / np.exp(x).sum(axis=-1),
            "The sums of the rows are laid along the columns: keep the summed axis with length "
            "1. And exp(1000) is inf: a number subtracted from a whole row cancels in the "
            "fraction.",
        ),
        Mistake(
            "no-keepdims",
            lambda x: (
                np.exp(x - x.max(axis=-1, keepdims=True))
                / np.exp(x - x.max(axis=-1, keepdims=True)).sum(axis=-1)
            ),
            "The sums of the rows are laid along the columns. Keep the summed axis with "
            "length 1, so that each sum meets its own row.",
        ),
        Mistake(
            "no-keepdims-of-the-maximum",
            lambda x: naive.softmax(x - x.max(axis=-1)),
            "The maxima of the rows are laid along the columns. Keep the reduced axis with "
            "length 1, so that each maximum meets its own row.",
        ),
        Mistake(
            "shift-after-exp",
            lambda x: (np.exp(x) - x.max(axis=-1, keepdims=True)) / np.exp(x).sum(-1)[:, None],
            "You subtract the maximum from exp(x). The shift belongs inside the exponent, "
            "where it turns into a common factor.",
        ),
        Mistake(
            "shift-in-numerator",
            lambda x: (
                np.exp(x - x.max(axis=-1, keepdims=True))
                / np.exp(x).sum(axis=-1, keepdims=True)
            ),
            "Only the numerator is shifted. Both parts of the fraction need the same factor, "
            "or it does not cancel.",
        ),
        Mistake(
            "unnormalised",
            lambda x: np.exp(x - x.max(axis=-1, keepdims=True)),
            "Your largest number is 1 in every row: the division by the sum is missing.",
        ),
        Mistake(
            "linear",
            lambda x: x / x.sum(axis=-1, keepdims=True),
            "You share out the scores themselves. Negative scores then get negative shares; "
            "make them positive with exp first.",
        ),
        Mistake(
            "base-two",
            lambda x: companion.softmax(x * np.log(2)),
            "These are powers of 2. Softmax is built on base e, so that log-odds are "
            "differences of logits.",
        ),
        Mistake(
            "logarithm",
            companion.log_softmax,
            "These are log-probabilities: negative numbers. Probabilities are asked for.",
        ),
        Mistake(
            "sigmoid",
            lambda x: 1 / (1 + np.exp(-x)),
            "You squash each logit alone, so a row need not add up to 1. The classes of a row "
            "compete.",
        ),
        Mistake(
            "one-hot",
            lambda x: np.eye(x.shape[-1])[x.argmax(axis=-1)],
            "This is the hard argmax. The other classes keep a share that falls with their "
            "distance to the largest logit.",
        ),
        Mistake(
            "reversed",
            lambda x: companion.softmax(-x),
            "The smallest logit gets the largest probability: there is a minus too many in "
            "the exponent.",
        ),
        Mistake(
            "transposed",
            lambda x: companion.softmax(x).T,
            "The numbers are right, but rows and columns are exchanged. Return the shape that "
            "came in.",
        ),
        Mistake(
            "first-row",
            lambda x: companion.softmax(x)[0],
            "You return one row only. There is one distribution for each row of x.",
        ),
        Mistake(
            "rounded",
            lambda x: companion.softmax(x).round(4),
            "You round the result. Small probabilities become 0, and rows no longer add up "
            "to 1.",
        ),
        Mistake(
            "epsilon",
            lambda x: (
                np.exp(x - x.max(axis=-1, keepdims=True))
                / (np.exp(x - x.max(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True) + 1e-3)
            ),
            "You add a small number to the sum, so rows add up to less than 1. After the "
            "shift the sum is at least 1 and needs no protection.",
        ),
        Mistake(
            "clipped-logits",
            lambda x: companion.softmax(np.clip(x, -700, 700)),
            "You clip the logits, so 1000 and 1001 become equal. A shift keeps their "
            "difference; a clip destroys it.",
        ),
        Mistake(
            "half-precision",
            lambda x: companion.softmax(x.astype(np.float16)).astype(float),
            "You compute in float16, which keeps three digits. Stay in the precision that "
            "came in.",
        ),
    ),
)


# logsumexp.


def _lse_loop(x):
    results = []
    for row in x:
        order = np.sort(row)[::-1]
        results.append(order[0] + np.log1p(np.exp(order[1:] - order[0]).sum()))
    return np.array(results)


def _lse_counting(x):
    m = x.max(axis=-1, keepdims=True)
    ties = (x == m).sum(axis=-1)
    rest = np.where(x == m, 0, np.exp(x - m)).sum(axis=-1)
    return m[:, 0] + np.log(ties) + np.log1p(rest / ties)


def _lse_pairwise(x):
    """Fold the sorted row pair by pair, smallest first: lse(a, b) = max + log1p(exp(-gap))."""
    x = np.sort(x, axis=-1)
    total = x[:, 0]
    for k in range(1, x.shape[1]):
        low, high = np.minimum(total, x[:, k]), np.maximum(total, x[:, k])
        total = high + np.log1p(np.exp(low - high))
    return total


def _max_and_log_sum(x):
    m = x.max(axis=-1, keepdims=True)
    return (m + np.log(np.exp(x - m).sum(axis=-1, keepdims=True)))[:, 0]


def _without_maximum_back(x):
    return companion.logsumexp(x) - x.max(axis=-1)


logsumexp = FunctionExercise(
    name="logsumexp",
    stub='''
def logsumexp(x):
    """log(sum(exp(x))) of each row of x, a 2-D array of finite logits; a tiny rest is kept."""
    ...
''',
    answer="""
def logsumexp(x):
    m = x.max(axis=-1)
    exps = np.exp(x - m[:, np.newaxis])
    exps[np.arange(len(x)), x.argmax(axis=-1)] = 0
    return m + np.log1p(exps.sum(axis=-1))
""",
    why="The largest term is exp(0) = 1. Leaving it out of the sum and adding it inside log1p "
    "keeps a rest of 4e-18 that 1 + 4e-18 would round away.",
    reference=companion.logsumexp,
    hints=(
        "Try the rows [1000, 1000] and [0, -40]. The second answer is about 4e-18, not 0.",
        "Factor the largest exponential out. What is left is the logarithm of 1 plus "
        "something tiny, and NumPy has a function for that.",
        "Set the largest term to 0 after the shift, sum the others, and use "
        "`m + np.log1p(rest)`.",
    ),
    probes=(
        (array([0, 0]),),
        (array([1, 2, 3], [0.5, -2, 1]),),
        (array([3, 1], [2, 2], [-1, 0]),),
        (array([1000, 1000]),),
        (array([-1000, -1001]),),
        (array([1000, 0], [0, 1]),),
        (array([0, -40]),),
    ),
    fresh=lambda rng: (5 * rng.normal(size=(3, 4)),),
    shortcuts=("logsumexp", "log_softmax", "softmax", "log_sum_parts", "reduce_logsumexp"),
    atol=0.0,  # 4e-18 instead of 0 is the point
    also_right=(_lse_loop, _lse_counting, _lse_pairwise),
    mistakes=(
        Mistake(
            "no-shift",
            naive.logsumexp,
            "Right for small logits, but exp(1000) is inf, and the sum of exp(-1000) is 0 "
            "with logarithm -inf. Factor the largest exponential out first.",
        ),
        Mistake(
            "rounded-rest",
            _max_and_log_sum,
            "Nearly: for [0, -40] you give 0 instead of 4.2e-18, because 1 + 4.2e-18 rounds "
            "to 1, for good. Leave the largest term out of the sum: NumPy has a logarithm that "
            "takes the 1 for granted.",
        ),
        Mistake(
            "maximum-not-added",
            _without_maximum_back,
            "The maximum that you subtracted is still missing from the result. Add it back "
            "outside the logarithm.",
        ),
        Mistake(
            "maximum-subtracted-twice",
            lambda x: companion.logsumexp(x) - 2 * x.max(axis=-1),
            "You subtract the maximum outside too. It was taken out of the sum as a factor, "
            "so its logarithm is added.",
        ),
        Mistake(
            "maximum-added-twice",
            lambda x: companion.logsumexp(x) + x.max(axis=-1),
            "The maximum is added although it was never taken out, or it is added twice.",
        ),
        Mistake(
            "maximum-only",
            lambda x: x.max(axis=-1),
            "This is the hard maximum. Log-sum-exp lies above it, by up to log K when all "
            "logits are equal.",
        ),
        Mistake(
            "rest-only",
            lambda x: (
                x.max(axis=-1) + np.log(np.exp(companion.logsumexp(x) - x.max(axis=-1)) - 1)
            ),
            "The largest term is left out of the sum and never comes back. The logarithm "
            "must be that of 1 plus the rest.",
        ),
        Mistake(
            "log1p-of-everything",
            lambda x: (
                x.max(axis=-1)
                + np.log1p(np.exp(x - x.max(axis=-1, keepdims=True)).sum(axis=-1))
            ),
            "log1p adds 1 for the largest term, and your sum contains it once more. Leave it "
            "out of the sum.",
        ),
        Mistake(
            "mean",
            lambda x: companion.logsumexp(x) - np.log(x.shape[-1]),
            "This is the logarithm of the mean of the exponentials. The sum is asked for.",
        ),
        Mistake(
            "sum-of-logs",
            lambda x: x.sum(axis=-1),
            "The logarithm has moved inside the sum, where it cancels exp. Sum the "
            "exponentials first.",
        ),
        Mistake(
            "columns",
            lambda x: companion.logsumexp(x, axis=0),
            "You sum down the columns. Each row is one example: use the last axis.",
        ),
        Mistake(
            "keepdims",
            lambda x: companion.logsumexp(x, keepdims=True),
            "The numbers are right, but they stand in a column. Return shape (N,).",
        ),
        Mistake(
            "one-number",
            lambda x: companion.logsumexp(x.ravel()),
            "You sum over all rows together. Each row has its own result.",
        ),
        Mistake(
            "maximum-of-all",
            lambda x: x.max() + np.log1p(np.exp(x - x.max()).sum(axis=-1) - 1),
            "You shift by the largest logit of the whole batch. Each row needs its own, and "
            "so does the term that log1p takes for granted.",
        ),
        Mistake(
            "base-two",
            lambda x: companion.logsumexp(x) / np.log(2),
            "This is a logarithm to base 2. Use the natural one, the inverse of exp.",
        ),
    ),
)


# log_softmax.


def _by_pairs_log(x):
    return -np.logaddexp.reduce(x[:, np.newaxis, :] - x[:, :, np.newaxis], axis=-1)


def _gaps_minus_log1p(x):
    results = np.empty_like(x)
    for n, row in enumerate(x):
        best = row.argmax()
        gaps = row - row[best]
        rest = np.exp(np.delete(gaps, best)).sum()
        results[n] = gaps - np.log1p(rest)
    return results


def _plain_log(x):
    gaps = x - x.max(axis=-1, keepdims=True)
    return gaps - np.log(np.exp(gaps).sum(axis=-1, keepdims=True))


def _gaps(x):
    return x - x.max(axis=-1, keepdims=True)


log_softmax = FunctionExercise(
    name="log_softmax",
    stub='''
def log_softmax(x):
    """The logarithm of softmax of each row of x, a 2-D array of finite logits."""
    ...
''',
    answer="""
def log_softmax(x):
    gaps = x - x.max(axis=-1, keepdims=True)
    return gaps - np.log(np.exp(gaps).sum(axis=-1, keepdims=True))
""",
    why="The logarithm of the quotient is a difference, so a gap of 1000 stays 1000. Taking "
    "the maximum off first keeps the digits of the small logarithm.",
    reference=companion.log_softmax,
    hints=(
        "Try the rows [0, -1000] and [1e8, 1e8].",
        "Take the logarithm of the formula on paper. And subtract the large number before "
        "you add the small one.",
        "With `gaps = x - max`, the result is `gaps - log(sum(exp(gaps)))`, with keepdims.",
    ),
    probes=(
        (array([0, 0]),),
        (array([1, 2, 3], [0.5, -2, 1]),),
        (array([3, 1], [2, 0], [-1, 0]),),
        (array([0, -1000]),),
        (array([1000, 998]),),
        (array([1e8, 1e8 - 1, 1e8 - 3]).astype(np.float32),),
    ),
    fresh=lambda rng: (5 * rng.normal(size=(3, 4)),),
    shortcuts=LIBRARY,
    # float32 arrives in one probe; its spacing is 1.2e-7. The sure class may be 0 (see lse).
    rtol=1e-6,
    also_right=(_plain_log, _gaps_minus_log1p, _by_pairs_log),
    mistakes=(
        Mistake(
            "log-of-softmax",
            lambda x: np.log(companion.softmax(x)),
            "Right until a probability underflows: exp(-1000) is 0, and log(0) is -inf "
            "instead of -1000. Let the logarithm and exp meet on paper.",
        ),
        Mistake(
            "no-shift",
            lambda x: x - naive.logsumexp(x)[:, np.newaxis],
            "Right for small logits, but exp(1000) is inf. Take the row's maximum off before "
            "exp.",
        ),
        Mistake(
            "order",
            lambda x: (
                x
                - (
                    x.max(axis=-1, keepdims=True)
                    + np.log(np.exp(_gaps(x)).sum(axis=-1, keepdims=True))
                )
            ),
            "You add the small logarithm to the large maximum, where it is rounded away. "
            "Subtract the maximum from the logits first.",
        ),
        Mistake(
            "logarithm-of-maximum-missing",
            lambda x: x - np.log(np.exp(_gaps(x)).sum(axis=-1, keepdims=True)),
            "The maximum is taken off inside the sum only. Take it off the logits outside too.",
        ),
        Mistake(
            "gaps-only",
            _gaps,
            "These are the gaps to the maximum. The logarithm of the sum is still to come off.",
        ),
        Mistake(
            "added",
            lambda x: _gaps(x) + np.log(np.exp(_gaps(x)).sum(axis=-1, keepdims=True)),
            "You add the logarithm of the sum. It stood in the denominator, so it is "
            "subtracted.",
        ),
        Mistake(
            "probabilities",
            companion.softmax,
            "These are probabilities. Their logarithms are asked for.",
        ),
        Mistake(
            "sign",
            lambda x: -companion.log_softmax(x),
            "Your numbers are positive. The logarithm of a probability is at most 0.",
        ),
        Mistake(
            "base-two",
            lambda x: companion.log_softmax(x) / np.log(2),
            "These are logarithms to base 2. Use the natural one.",
        ),
        Mistake(
            "base-ten",
            lambda x: companion.log_softmax(x) / np.log(10),
            "These are logarithms to base 10. Use the natural one.",
        ),
        Mistake(
            "columns",
            lambda x: companion.log_softmax(x, axis=0),
            "Your columns are normalised, not your rows. Each row is one example.",
        ),
        Mistake(
            "one-sum",
            lambda x: companion.log_softmax(x.ravel()).reshape(x.shape),
            "All rows share one sum. Each row is one example and has its own.",
        ),
        Mistake(
            "epsilon",
            lambda x: np.log(companion.softmax(x) + 1e-12),
            "The small number stops every log-probability at -27.6, so all hopeless classes "
            "look alike. No probability needs to be formed at all.",
        ),
        Mistake(
            "clip",
            lambda x: np.log(np.clip(companion.softmax(x), 1e-7, 1)),
            "The clip stops every log-probability at -16.1, so all hopeless classes look "
            "alike. No probability needs to be formed at all.",
        ),
    ),
)


# masked_softmax.


def _masked(x, mask):
    return companion.softmax(np.where(mask, x, -np.inf))


def _masked_loop(x, mask):
    probs = np.zeros_like(x)
    for n in range(len(x)):
        kept = x[n][mask[n]]
        exps = np.exp(kept - kept.max())
        probs[n, mask[n]] = exps / exps.sum()
    return probs


def _masked_weights(x, mask):
    largest = np.max(x, axis=-1, keepdims=True, where=mask, initial=-np.inf)
    exps = np.exp(np.where(mask, x - largest, 0)) * mask
    return exps / exps.sum(axis=-1, keepdims=True)


def _bools(*rows):
    return np.array(rows, dtype=bool)


masked_softmax = FunctionExercise(
    name="masked_softmax",
    stub='''
def masked_softmax(x, mask):
    """Softmax of each row over the classes where mask is True; 0 elsewhere."""
    ...
''',
    answer="""
def masked_softmax(x, mask):
    kept = np.where(mask, x, -np.inf)
    exps = np.exp(kept - kept.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)
""",
    why="exp(-inf) is 0 exactly, and the maximum is taken over the kept classes only. Each row "
    "here keeps at least one class; a row that keeps none has no softmax.",
    reference=_masked,
    hints=(
        "What logit makes exp exactly 0? And may a masked logit decide the shift?",
        "Put the mask in before the maximum is taken, not after the softmax.",
        "`np.where(mask, x, -np.inf)`, and then the stable softmax that you know.",
    ),
    probes=(
        (array([1, 2, 3]), _bools([1, 1, 0])),
        (array([1, 2, 3], [0, 1, 0]), _bools([1, 0, 1], [1, 1, 1])),
        (array([0, 1, 5000]), _bools([1, 1, 0])),
        (array([-20000, -20001, 0]), _bools([1, 1, 0])),
        (array([2, 2, 2]), _bools([0, 1, 0])),
        (array([-2, -1, 0]), _bools([1, 1, 0])),
        (array([-3e9, 0]), _bools([1, 0])),
    ),
    fresh=lambda rng: (
        rng.normal(size=(3, 4)),
        np.logical_or(rng.random((3, 4)) < 0.5, np.arange(4) == 0),
    ),
    shortcuts=("softmax", "log_softmax", "logsumexp", "masked_softmax"),
    also_right=(_masked_loop, _masked_weights),
    mistakes=(
        Mistake(
            "masked-afterwards",
            lambda x, mask: companion.softmax(x) * mask,
            "You zero the masked classes after the softmax, so a row no longer adds up to 1. "
            "They must not take part in the sum.",
        ),
        Mistake(
            "renormalised",
            lambda x, mask: (
                companion.softmax(x)
                * mask
                / (companion.softmax(x) * mask).sum(axis=-1, keepdims=True)
            ),
            "Right until a masked logit is huge: the kept classes underflow against it, and "
            "0 / 0 is nan. Mask before the maximum is taken.",
        ),
        Mistake(
            "zero-logits",
            lambda x, mask: companion.softmax(x * mask),
            "You set masked logits to 0. A logit of 0 still has exp(0) = 1 and takes its "
            "share.",
        ),
        Mistake(
            "minus-ten-thousand",
            lambda x, mask: companion.softmax(np.where(mask, x, -1e4)),
            "Right for ordinary logits, but a kept logit of -20000 loses against your "
            "-10000. There is a number that loses against all.",
        ),
        Mistake(
            "minus-a-billion",
            lambda x, mask: companion.softmax(np.where(mask, x, -1e9)),
            "Right for ordinary logits, but a kept logit of -3e9 loses against your -1e9. "
            "There is a number that loses against all.",
        ),
        Mistake(
            "inverted",
            lambda x, mask: companion.softmax(np.where(mask, -np.inf, x)),
            "You keep the classes where mask is False. True means that a class takes part.",
        ),
        Mistake(
            "mask-ignored",
            lambda x, mask: companion.softmax(x),
            "The mask has no effect. Masked classes must get exactly 0.",
        ),
        Mistake(
            "mask-added",
            lambda x, mask: companion.softmax(x + mask),
            "You add the mask, which favours kept classes by 1. A masked class must be ruled "
            "out, not handicapped.",
        ),
        Mistake(
            "columns",
            lambda x, mask: companion.softmax(np.where(mask, x, -np.inf), axis=0),
            "Your columns are normalised, not your rows. Each row is one example.",
        ),
    ),
)


# loss: find the bug.


def _loss(logits, labels):
    return companion.softmax_cross_entropy_with_labels(logits, labels)


def _clipped(low):
    def loss(logits, labels):
        probs = np.clip(companion.softmax(logits), low, 1.0)
        return -np.log(probs[np.arange(len(labels)), labels])

    return loss


def _loss_of_gaps(logits, labels):
    gaps = logits - logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(gaps).sum(axis=-1)) - gaps[np.arange(len(labels)), labels]


def _loss_loop(logits, labels):
    return np.array(
        [np.logaddexp.reduce(z - z[y]) for z, y in zip(logits, labels, strict=True)]
    )


unclipped_loss = FunctionExercise(
    name="unclipped_loss",
    stub='''
def unclipped_loss(logits, labels):
    """Cross-entropy of each row of logits (N, K) with its label (N,)."""
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probs = exps / exps.sum(axis=-1, keepdims=True)
    return -np.log(np.clip(probs, 1e-12, 1.0))[np.arange(len(labels)), labels]
''',
    answer="""
def unclipped_loss(logits, labels):
    gaps = logits - logits.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(gaps).sum(axis=-1))
    return log_sum - gaps[np.arange(len(labels)), labels]
""",
    why="The clip hides log(0) and with it every mistake beyond a gap of 27.6. Without the "
    "detour over probabilities there is nothing to clip.",
    reference=_loss,
    hints=(
        "Compare the losses of the logits [0, 30] and [0, 300] for label 0.",
        "Removing the clip brings -inf back. The probability itself must go.",
        "Write the loss as `log(sum(exp(gaps))) - gaps[label]`.",
    ),
    probes=(
        (array([0, 1]), np.array([0])),
        (array([2, 0, -1], [0, 3, 1]), np.array([1, 2])),
        (array([0, 30]), np.array([0])),
        (array([0, 300], [0, 800]), np.array([0, 0])),
        (array([900, 900]), np.array([1])),
    ),
    fresh=lambda rng: (5 * rng.normal(size=(3, 4)), rng.integers(4, size=3)),
    shortcuts=(*LIBRARY, "softmax_cross_entropy_with_labels", "softmax_cross_entropy"),
    also_right=(_loss_of_gaps, _loss_loop),
    mistakes=(
        Mistake(
            "no-clip",
            lambda z, y: -np.log(companion.softmax(z)[np.arange(len(y)), y]),
            "The clip is gone, but at a gap of 800 the probability is 0 and the loss inf. "
            "Avoid forming the probability.",
        ),
        Mistake(
            "smaller-clip",
            _clipped(1e-300),
            "A smaller clip only moves the ceiling, here to 690.8. Avoid forming the "
            "probability.",
        ),
        Mistake(
            "larger-clip",
            _clipped(1e-7),
            "A larger clip lowers the ceiling, here to 16.1: still fewer mistakes can teach.",
        ),
        Mistake(
            "epsilon",
            lambda z, y: -np.log(companion.softmax(z)[np.arange(len(y)), y] + 1e-10),
            "Adding a number in place of the clip gives a ceiling again, here 23.0. Avoid "
            "forming the probability.",
        ),
        Mistake(
            "no-shift",
            lambda z, y: naive.logsumexp(z) - z[np.arange(len(y)), y],
            "The difference is right, but exp(800) overflows. Take the row's maximum off "
            "first.",
        ),
        Mistake(
            "sign",
            lambda z, y: -_loss(z, y),
            "Your losses are negative. The true class's gap is subtracted from the logarithm "
            "of the sum.",
        ),
        Mistake(
            "clipped-logits",
            lambda z, y: _loss(np.clip(z, -30, 30), y),
            "You clip the logits: differences beyond the clip are lost, and with them the "
            "loss.",
        ),
    ),
)


largest_float16_logit = NumberExercise(
    name="largest_float16_logit",
    stub="largest_float16_logit = ...",
    answer="largest_float16_logit = np.log(np.finfo(np.float16).max.astype(float))",
    why="exp(x) overflows where x exceeds the logarithm of the largest number, 65504 in "
    "float16.",
    reference=lambda: np.log(float(np.finfo(np.float16).max)),
    hints=(
        "np.finfo(np.float16) knows the largest number of the type.",
        "exp and log are inverses: which logit has that number as its exponential?",
        "Take the natural logarithm of 65504.",
    ),
    # A prediction in three digits is good enough.
    rtol=2e-3,
    also_right=(11.09, np.float32(11.0898), np.log(65504)),
    mistakes=(
        Mistake(
            "the-number-itself",
            float(np.finfo(np.float16).max),
            "That is the largest float16. Its logarithm is asked for: the logit goes through "
            "exp.",
        ),
        Mistake("base-two", np.log2(65504), "That is the exponent to base 2. Use base e."),
        Mistake("base-ten", np.log10(65504), "That is the exponent to base 10. Use base e."),
        Mistake(
            "float32",
            np.log(float(np.finfo(np.float32).max)),
            "That is the limit of float32. float16 has fewer exponent bits.",
        ),
        Mistake(
            "smallest",
            np.log(float(np.finfo(np.float16).tiny)),
            "That is where exp leaves the normal numbers below. The upper end is asked for.",
        ),
    ),
)
