"""Exercises of the chapter *One pass*."""

from itertools import combinations

import numpy as np

import companion
from companion.exercises.exercise import (
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    NumberExercise,
)

inf = np.inf


def array(*values):
    return np.array(values, dtype=float)


# merge: two pairs (m, d), where m is the largest and d the sum of exp(x - m).


def _merge(a, b):
    m = max(a[0], b[0])
    return array(m, a[1] * np.exp(a[0] - m) + b[1] * np.exp(b[0] - m))


def _by_branches(a, b):
    (m, d), (small, rest) = (a, b) if a[0] >= b[0] else (b, a)
    return array(m, d + rest * np.exp(small - m))


def _as_arrays(a, b):
    pair = np.stack([a, b])
    m = pair[:, 0].max()
    return np.array([m, np.exp(pair[:, 0] - m) @ pair[:, 1]])


def _wrong_way(a, b):
    m = max(a[0], b[0])
    return array(m, a[1] * np.exp(m - a[0]) + b[1] * np.exp(m - b[0]))


def _second_not_rescaled(a, b):
    m = max(a[0], b[0])
    return array(m, a[1] * np.exp(a[0] - m) + b[1])


def _one_number(a, b):
    total = a[1] * np.exp(a[0]) + b[1] * np.exp(b[0])
    return array(np.log(total), 1.0)


merge = FunctionExercise(
    name="merge",
    stub='''
def merge(a, b):
    """The pair [m, d] of all logits, as an array, from the pairs of two parts.

    m is the largest logit, d the sum of exp(x - m). No logits: [-inf, 0].
    """
    ...
''',
    answer="""
def merge(a, b):
    m = max(a[0], b[0])
    return np.array([m, a[1] * np.exp(a[0] - m) + b[1] * np.exp(b[0] - m)])
""",
    why="Both sums are brought to the same maximum, and sums relative to the same number "
    "add. Neither factor is above 1, so nothing overflows.",
    reference=_merge,
    hints=(
        "What is the largest of all, if you know the largest of each part?",
        "d was counted relative to the old maximum. Which factor makes exp(x - old) into "
        "exp(x - new)?",
        "With `m` the larger maximum: `a[1] * np.exp(a[0] - m)`, and the same for `b`.",
    ),
    probes=(
        (array(0, 1), array(0, 1)),
        (array(1, 1.5), array(3, 2)),
        (array(3, 2), array(1, 1.5)),
        (array(1000, 1.2), array(998, 3)),
        (array(-inf, 0), array(2, 1.25)),
        (array(2, 1.25), array(-inf, 0)),
    ),
    fresh=lambda rng: (
        array(rng.normal(), 1 + rng.random()),
        array(rng.normal(), 1 + rng.random()),
    ),
    shortcuts=("logsumexp", "logaddexp", "streaming"),
    also_right=(_by_branches, _as_arrays),
    mistakes=(
        Mistake(
            "sums-added",
            lambda a, b: array(max(a[0], b[0]), a[1] + b[1]),
            "You added sums that are relative to two different maxima. Bring both to the new "
            "one first.",
        ),
        Mistake(
            "wrong-way",
            _wrong_way,
            "Your factors are above 1 where they should be below: the old maximum less the "
            "new, "
            "not the other way round.",
        ),
        Mistake(
            "second-not-rescaled",
            _second_not_rescaled,
            "The first sum follows the new maximum, the second does not. Treat both alike: you "
            "cannot know which is larger.",
        ),
        Mistake(
            "first-maximum",
            lambda a, b: array(a[0], a[1] + b[1] * np.exp(b[0] - a[0])),
            "You kept the first maximum. The sum is right until the second part is much "
            "larger, "
            "and then the factor overflows.",
        ),
        Mistake(
            "logarithm",
            lambda a, b: array(_merge(a, b)[0], np.log(_merge(a, b)[1])),
            "The second number is the logarithm of the sum. The pair keeps the sum itself, so "
            "that it can be merged again.",
        ),
        Mistake(
            "one-number",
            _one_number,
            "You went through exp of the logits themselves, which overflows beyond 709. The "
            "pair is there so that this never has to be computed.",
        ),
    ),
)

# step: online softmax with the weighted mean that attention takes.


def _step(m, d, o, x, v):
    new = max(m, x)
    old = np.exp(m - new)
    return np.array([new, d * old + np.exp(x - new), o * old + np.exp(x - new) * v])


def _step_by_branches(m, d, o, x, v):
    if x <= m:
        w = np.exp(x - m)
        return array(m, d + w, o + w * v)
    w = np.exp(m - x)
    return array(x, d * w + 1, o * w + v)


def _step_as_merge(m, d, o, x, v):
    new = np.maximum(m, x)
    scale = np.exp(np.array([m, x]) - new)
    return array(new, scale @ array(d, 1), scale @ array(o, v))


def _wrong_step(keep_o=False, keep_d=False, weigh=True, sign=1):
    def step(m, d, o, x, v):
        new = max(m, x)
        old, w = np.exp(sign * (m - new)), np.exp(x - new)
        d = d + w if keep_d else d * old + w
        o = (o if keep_o else o * old) + (w if weigh else 1.0) * v
        return np.array([new, d, o])

    return step


def _mean_each_time(m, d, o, x, v):
    new, total, weighted = _step(m, d, o, x, v)
    return np.array([new, total, weighted / total])


step = FunctionExercise(
    name="step",
    stub='''
def step(m, d, o, x, v):
    """One more score x with its value v: the new m, d and o, as an array.

    m: largest score so far; d: sum of exp(score - m); o: sum of exp(score - m) * value.
    """
    ...
''',
    answer="""
def step(m, d, o, x, v):
    new = max(m, x)
    old, w = np.exp(m - new), np.exp(x - new)
    return np.array([new, d * old + w, o * old + w * v])
""",
    why="At the end o / d is the mean of the values under softmax(scores). Scores were seen "
    "once, and none was kept.",
    reference=_step,
    hints=(
        "It is the merge of a pair with a pair of one score, and a third number that goes "
        "along.",
        "Both d and o are relative to the largest score. When that changes, both are "
        "multiplied by the same factor.",
        "With `new = max(m, x)` the factor of the old sums is `np.exp(m - new)`, and the "
        "weight of the new score `np.exp(x - new)`.",
    ),
    probes=(
        (-inf, 0.0, 0.0, 2.0, 5.0),
        (0.0, 1.0, 3.0, -1.0, 2.0),
        (0.0, 1.5, 3.0, 2.0, -4.0),
        (1.0, 2.0, -1.0, 1000.0, 3.0),
        (1000.0, 1.5, 2.0, 999.0, 7.0),
    ),
    fresh=lambda rng: (
        float(rng.normal()),
        float(1 + rng.random()),
        float(rng.normal()),
        float(rng.normal()),
        float(rng.normal()),
    ),
    shortcuts=("softmax", "logsumexp", "streaming"),
    also_right=(_step_by_branches, _step_as_merge),
    mistakes=(
        Mistake(
            "output-not-rescaled",
            _wrong_step(keep_o=True),
            "d follows the new maximum and o does not. What was summed before belongs to the "
            "old one: multiply o by the same factor.",
        ),
        Mistake(
            "sum-not-rescaled",
            _wrong_step(keep_d=True),
            "o follows the new maximum and d does not. Their quotient is the mean only when "
            "both are relative to the same number.",
        ),
        Mistake(
            "nothing-rescaled",
            _wrong_step(keep_o=True, keep_d=True),
            "Nothing is rescaled: the sums mix terms relative to old maxima with terms "
            "relative to the new one.",
        ),
        Mistake(
            "value-not-weighted",
            _wrong_step(weigh=False),
            "The value is added as it is. It counts with the weight of its score.",
        ),
        Mistake(
            "wrong-way",
            _wrong_step(sign=-1),
            "The old sums are made larger when a larger score comes. They must shrink: the "
            "exponent is the old maximum less the new.",
        ),
        Mistake(
            "mean-each-time",
            _mean_each_time,
            "You divided by d already. The next step needs the sum, so divide once, at the "
            "end.",
        ),
    ),
)

# chunk_gradient: of the loss of one label, for one chunk of the classes.


def _chunk_gradient(chunk, m, d, first, label):
    p = np.exp(chunk - m) / d
    here = label - first
    if 0 <= here < len(chunk):
        p[here] -= 1
    return p


def _with_a_mask(chunk, m, d, first, label):
    return np.exp(chunk - m) / d - (first + np.arange(len(chunk)) == label)


def _through_logs(chunk, m, d, first, label):
    hot = np.zeros(len(chunk))
    if label in range(first, first + len(chunk)):
        hot[label - first] = 1
    return np.exp(chunk - m - np.log(d)) - hot


def _own_softmax(chunk, m, d, first, label):
    return _with_a_mask(np.log(companion.softmax(chunk)), 0.0, 1.0, first, label)


def _label_in_each(chunk, m, d, first, label):
    p = np.exp(chunk - m) / d
    p[label % len(chunk)] -= 1
    return p


def _label_not_moved(chunk, m, d, first, label):
    p = np.exp(chunk - m) / d
    if label < len(chunk):
        p[label] -= 1
    return p


def _negative_label(chunk, m, d, first, label):
    p = np.exp(chunk - m) / d
    if label - first < len(chunk) and abs(label - first) <= len(chunk):
        p[label - first] -= 1
    return p


def _own_maximum(chunk, m, d, first, label):
    return _with_a_mask(chunk, chunk.max(), d, first, label)


chunk_gradient = FunctionExercise(
    name="chunk_gradient",
    stub='''
def chunk_gradient(chunk, m, d, first, label):
    """Gradient of the cross-entropy for the logits of one chunk (C,).

    m, d: the pair of ALL logits. first: which class the chunk begins with.
    label: the true class, counted over all classes; it may lie in another chunk.
    """
    ...
''',
    answer="""
def chunk_gradient(chunk, m, d, first, label):
    p = np.exp(chunk - m) / d
    if first <= label < first + len(chunk):
        p[label - first] -= 1
    return p
""",
    why="The probabilities need the pair of all classes and nothing else. The 1 is taken off "
    "in one chunk only, the one that holds the label.",
    reference=_chunk_gradient,
    hints=(
        "The gradient is p - 1 at the label and p elsewhere. Which classes are here?",
        "p of a class is exp of its gap to the largest of all, divided by the sum over all.",
        "`np.exp(chunk - m) / d`, and 1 less at `label - first` if that place exists here.",
    ),
    probes=(
        (array(1, 2, 0), 2.0, 2.5, 0, 1),
        (array(1, 2, 0), 2.0, 2.5, 3, 1),
        (array(1, 2, 0), 4.0, 1.75, 3, 5),
        (array(1, 2, 0), 4.0, 1.75, 6, 0),
        (array(0, -1), 3.0, 4.0, 6, 5),
        (array(1000, 1001), 1002.0, 1.6, 2, 3),
    ),
    fresh=lambda rng: (rng.normal(size=3), 2.0, 3.0, 3, int(rng.integers(9))),
    shortcuts=("softmax", "softmax_cross_entropy_with_labels_grad", "streaming", "gradient_of"),
    also_right=(_with_a_mask, _through_logs),
    mistakes=(
        Mistake(
            "own-softmax",
            _own_softmax,
            "These are probabilities within the chunk: each chunk sums to 1. Divide by the sum "
            "over all classes, which the pair holds.",
        ),
        Mistake(
            "own-maximum",
            _own_maximum,
            "You took the maximum of the chunk. d is relative to m, the maximum of all.",
        ),
        Mistake(
            "label-in-each",
            _label_in_each,
            "You took 1 off in every chunk. The label lies in one of them, and the others keep "
            "their probabilities.",
        ),
        Mistake(
            "label-not-moved",
            _label_not_moved,
            "The label counts from the first class of all, your index from the first of the "
            "chunk. Their difference is `first`.",
        ),
        Mistake(
            "negative-index",
            _negative_label,
            "When the label lies in the chunk before, its place here is negative, and NumPy "
            "counts that from the end. Ask for both bounds.",
        ),
        Mistake(
            "no-one",
            lambda chunk, m, d, first, label: np.exp(chunk - m) / d,
            "These are the probabilities. The gradient is 1 less at the label.",
        ),
        Mistake(
            "not-divided",
            lambda chunk, m, d, first, label: _with_a_mask(chunk, m, 1.0, first, label),
            "The exponentials are not divided by their sum over all classes.",
        ),
        Mistake(
            "sign",
            lambda *given: -_chunk_gradient(*given),
            "All signs are turned round: this is the direction in which the loss falls.",
        ),
    ),
)

# moved: arrays between memory and processor, for a loss and its gradient written plainly.


def _moved():
    reads_and_writes = {
        "max": (1, 0),
        "z - largest": (1, 1),
        "exp(gaps)": (1, 1),
        "sum": (1, 0),
        "gaps - log": (1, 1),
        "exp(log_probs)": (1, 1),
    }
    return float(sum(reads + writes for reads, writes in reads_and_writes.values()))


moved = NumberExercise(
    name="moved",
    stub="moved = ...",
    answer="moved = 1 + 2 + 2 + 1 + 2 + 2",
    why="max and sum read only. The two differences and the two exponentials read one array "
    "and write one. That is what five copies move.",
    reference=_moved,
    rtol=1e-6,
    hints=(
        "Which operations stand in the five lines? One line has three.",
        "For each: does it read an array of the logits' size, does it write one?",
        "max 1, the difference 2, exp 2, sum 1. Two operations are left.",
    ),
    also_right=(10, np.float64(10.0), 5 * 2),
    mistakes=(
        Mistake(
            "passes", 6.0, "You counted operations, or what they read. Most of them write."
        ),
        Mistake("writes", 4.0, "You counted what is written. Every operation reads as well."),
        Mistake(
            "in-softmax",
            8.0,
            "That is the count for softmax, or one exponential is missing here: exp is called "
            "twice.",
        ),
        Mistake(
            "columns",
            12.0,
            "max and sum write one number for each row. Next to an array that is nothing.",
        ),
        Mistake("copies", 5.0, "In copies that is right. Asked are arrays, two to a copy."),
        Mistake(
            "one-sweep", 2.0, "That is what one sweep would need. Count the lines as given."
        ),
    ),
)

# race: two threads merge into one shared pair.


def _can_lose(locked):
    """Whether some order of two threads' lines loses a chunk; `locked` run without a break."""
    for places in combinations(range(6), 3):
        order = [0 if place in places else 1 for place in range(6)]
        shared, new, line, held = frozenset(), [None, None], [0, 0], None
        for thread in order:
            if held not in (None, thread):
                break  # this order cannot happen: the other thread has the lock
            line[thread] += 1
            if line[thread] == 2:
                new[thread] = shared | {thread}
            elif line[thread] == 3:
                shared = new[thread]
            held = thread if {line[thread], line[thread] + 1} <= locked else None
        else:
            if shared != {0, 1}:
                return True
    return False


def _race():
    regions = {"a": set(), "b": {1}, "d": {3}, "c": {2, 3}}
    return next(letter for letter, locked in regions.items() if not _can_lose(locked))


race = ChoiceExercise(
    name="race",
    stub='race = ...  # "a", "b", "c" or "d"',
    answer='race = "c"',
    why="The new pair is computed from the old one. Whoever writes in between is overwritten, "
    "and its chunk is gone. Reading, merging and writing must be one step, or each thread "
    "keeps a pair of its own and one merges them at the end.",
    reference=_race,
    options={
        "a": "Nothing: Python runs one thread at a time.",
        "b": "Line 1, since both threads compute at the same time.",
        "c": "Lines 2 and 3 together, from reading `shared` to writing it.",
        "d": "Line 3 alone, since it alone writes.",
    },
    hints=(
        "Let thread A run up to the middle of a line, then all of thread B, then the rest of "
        "A.",
        "Which value of `shared` did A merge with, and what did B write meanwhile?",
        "A lock around the writing alone lets both threads read the same old pair.",
    ),
    also_right=("C", "(c)"),
    mistakes=(
        Mistake(
            "a",
            "a",
            "One at a time, but a thread may be stopped between any two operations, and NumPy "
            "lets the others run while it computes. The lock of Python protects Python, not "
            "your pair.",
        ),
        Mistake(
            "b",
            "b",
            "Line 1 touches nothing that is shared: that it runs at the same time is the gain.",
        ),
        Mistake(
            "d",
            "d",
            "Each write is whole, but it was computed from what was read before. Two threads "
            "that read the same pair both write, and the first is lost.",
        ),
    ),
)
