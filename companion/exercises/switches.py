"""Wrong answers as combinations of switches, and the search for the one that an answer shows.

An exercise describes its wrong answers as one family: a function that is right by default,
whose keyword arguments are switches. Each wrong position of a switch has a sentence. Real
answers hold one, two or three faults at once, in any mixture, so combinations are tried from
few to many. A sentence is said only if its combination explains every call.
"""

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from companion.exercises.running import COPIED, call, same_numbers
from companion.exercises.says import say

MOST_FAULTS = 3
MOST_TRIED = 40_000  # combinations: a check must end, even in a family that is too large
RTOL, ATOL = 1e-6, 1e-9  # how near a wrong answer must come to be named; ATOL to its largest


@dataclass(frozen=True)
class Switch:
    """One thing that an answer does, and the ways to do it wrong.

    Parameters
    ----------
    name : str
        The keyword of the family's function.
    wrong : dict
        From each wrong position, the value of the keyword, to its sentence: what holds of any
        answer in this position, and what to think of.
    most : int
        It is looked for in combinations of at most this many faults: 2 for what is rare.
    sets : dict
        From a position to keywords and values, for one slip that sets several of them.
    guess : callable, optional
        For a switch whose position is a number that nobody can list: from the values of the
        answer (a list of arrays) to positions worth a try.
    says : callable, optional
        From a guessed position to its sentence.

    Examples
    --------
    >>> Switch("sign", {-1: "The sign is turned round."}).faults()
    (sign: -1,)
    """

    name: str
    wrong: dict
    most: int = field(default=MOST_FAULTS, kw_only=True)
    sets: dict = field(default_factory=dict)
    guess: Callable | None = None
    says: Callable | None = None

    def faults(self, values=()):
        """The wrong positions, and those guessed from an answer's values."""
        listed = tuple(self._fault(position, say(s)) for position, s in self.wrong.items())
        if self.guess is None or not values:
            return listed
        with np.errstate(all="ignore"):
            positions = {float(p) for p in self.guess(values) if np.isfinite(p)}
        near = [p for p in positions if not any(_is_near(p, q) for q in self.wrong)]
        return (*listed, *(self._fault(p, say(self.says(p))) for p in sorted(near)))

    def _fault(self, position, sentence):
        settings = self.sets.get(position, {self.name: position})
        shown = f"{position:.3g}" if type(position) is float else position
        return Fault(f"{self.name}: {shown}", settings, sentence)


def _is_near(some, other):
    return isinstance(other, int | float) and abs(some - other) <= 1e-3 * abs(other)


@dataclass(frozen=True, repr=False)
class Fault:
    """A switch in a wrong position.

    Parameters
    ----------
    name : str
        "shift: none".
    settings : dict
        Keywords of the family, and their values.
    sentence : Sentence
        What holds of every answer with this fault.
    """

    name: str
    settings: dict
    sentence: object

    def __repr__(self):
        return self.name


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people really give, and that no switch makes.

    Parameters
    ----------
    name : str
        Short and unique within the exercise: "sigmoid".
    gives : callable, number or str
        What the wrong answer is: a function, a number, or the letter of an option.
    message : str
        One sentence of cause, one of remedy, without the line of the solution.
    """

    name: str
    gives: object
    message: str

    @property
    def sentence(self):
        """The message, as all that is said."""
        return say(self.message)


def gives(exercise, faults):
    """The function that a combination of faults describes.

    Parameters
    ----------
    exercise : FunctionExercise
        With its family.
    faults : tuple
        Of Fault, or one Mistake.

    Returns
    -------
    callable
    """
    if len(faults) == 1 and isinstance(faults[0], Mistake):
        return faults[0].gives
    settings = {name: value for fault in faults for name, value in fault.settings.items()}
    return functools.partial(exercise.family, **settings)


def combinations(exercise, size, values=()):
    """All ways of having `size` faults at once; the mistakes of the list count as one.

    Parameters
    ----------
    exercise : FunctionExercise
        With its switches and mistakes.
    size : int
        From 1 to MOST_FAULTS.
    values : list of ndarray, optional
        What an answer gave, for positions that are guessed.

    Yields
    ------
    tuple of Fault or of Mistake
    """
    faults = [s.faults(values) for s in exercise.switches if size <= s.most]
    for some in itertools.combinations(faults, size):
        for combination in itertools.product(*some):
            if size == 1 or _are_apart(combination):
                yield combination
    if size == 1:
        yield from ((mistake,) for mistake in exercise.mistakes)


def _are_apart(faults):
    """Whether no two faults set the same keyword."""
    names = [name for fault in faults for name in fault.settings]
    return len(set(names)) == len(names)


def explanations(exercise, calls, outcomes, wanted):
    """The smallest combinations of faults that give what an answer gave, on every call.

    Parameters
    ----------
    exercise : FunctionExercise
        With its family, switches and mistakes.
    calls : sequence of tuple
        Arguments of each call.
    outcomes, wanted : sequence of Outcome
        What the answer and the reference did.

    Returns
    -------
    list of tuple
        Of Fault or Mistake. Empty if nothing explains the answer; more than one if several
        combinations of the same size cannot be told apart.
    """
    seen = _Seen(exercise, calls, outcomes, wanted)
    if not seen.has_numbers:
        return []
    values = [o.value for o in outcomes if o.values is not None and o.value.size <= COPIED]
    tried = 0
    with np.errstate(all="ignore"):
        for size in range(1, MOST_FAULTS + 1):
            fits = []
            for faults in combinations(exercise, size, values):
                tried += 1
                if tried > MOST_TRIED:
                    return fits
                if seen.is_given_by(gives(exercise, faults)):
                    fits.append(faults)
            if fits:
                return fits
    return []


class _Seen:
    """What an answer did, against which many functions are compared."""

    def __init__(self, exercise, calls, outcomes, wanted):
        self.near = exercise.rtol, exercise.atol
        self.parts = exercise.number_of_parts
        self.right = [
            got.agrees(want, *self.near) for got, want in zip(outcomes, wanted, strict=True)
        ]
        # Where the answer is wrong, by a finite number, few others agree: look there first.
        turn = sorted(
            range(len(calls)), key=lambda i: (self.right[i], not _is_finite(outcomes[i]), -i)
        )
        self.calls = [(calls[i], outcomes[i], wanted[i], self.right[i]) for i in turn]
        wrong = [outcome for _, outcome, _, right in self.calls if not right]
        self.has_numbers = any(outcome.values is not None for outcome in outcomes)
        self.only_raises = all(outcome.raised for outcome in wrong)

    def is_given_by(self, function):
        return all(self._alike(call(function, args, self.parts, copies=False), *rest)
                   for args, *rest in self.calls)  # fmt: skip

    def _alike(self, given, got, want, right):
        return (
            given.agrees(want, *self.near)
            if right
            else self._equally_wrong(given, got) and not given.agrees(want, *self.near)
        )

    def _equally_wrong(self, given, got):
        if given.raised or got.raised:
            # An error's type tells little where numbers tell more, and all where they do not.
            same = given.raised == got.raised if self.only_raises else True
            return bool(given.raised and got.raised and same)
        if given.values is None or got.values is None:
            return given.values is got.values
        atol = self.near[1]
        return all(_near(a, b, atol) for a, b in zip(given.values, got.values, strict=True))


def _is_finite(outcome):
    values = outcome.values or ()
    return bool(values) and all(v.size <= COPIED and np.isfinite(v).all() for v in values)


def _near(some, others, atol):
    if some.shape != others.shape:
        return False
    finite = np.abs(others[np.isfinite(others)])
    return same_numbers(some, others, RTOL, max(atol, ATOL * finite.max(initial=0.0)))


def sentences(fits):
    """What can be said for sure: the sentences that all fitting combinations share.

    Parameters
    ----------
    fits : list of tuple
        From `explanations`.

    Returns
    -------
    list of Sentence
    """
    first, *others = fits
    return [
        fault.sentence
        for fault in first
        if all(fault.sentence in [f.sentence for f in other] for other in others)
    ]


def name_of(faults):
    """A combination's name: "shift: none; axis: 0"."""
    return "; ".join(fault.name for fault in faults)
