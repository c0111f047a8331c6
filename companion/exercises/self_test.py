"""A self-test: many short snippets and sentences, each right or wrong in one way, one check.

The right letters are nowhere written down: they are found by running each snippet, as it
stands and with one mend after the other, and by working out each sentence on numbers.
"""

import contextlib
import copy
import html
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from companion.exercises import words
from companion.exercises.exercise import Exercise, Seen, Task
from companion.exercises.pristine import as_imported
from companion.exercises.result import Result, State
from companion.exercises.says import ENGLISH, say

STANDS = "Right as it stands."
SET_LETTERS = "Set entries of {name} to letters in quotes, then run again."
A_DICT = (
    '{name} must be a dict from numbers to letters, such as {{1: "a", 2: "b"}}, or letters '
    "in a row, the first for item 1."
)
COUNT = "{right} of {all} right, {left} not attempted."
ALL_RIGHT = "All {all} are right."
MARK = "{mark} {number}: {reason} Read: {section}"
NO_ITEM = "✘ {key}: there is no such item; they are numbered from 1 to {all}."
FROM_0 = "0: there is no such item; they are numbered from 1 to {all}. Nothing was marked."
NO_LETTER = "✘ {number}: this must be one of {options}, in quotes."
IN_A_ROW = re.compile(r"[a-e]([\s,;]*[a-e])*", re.ASCII | re.IGNORECASE)
MOST_READ = 100  # entries of an answer
RTOL, ATOL = 1e-5, 1e-9  # Keras computes in float32


@dataclass(frozen=True)
class Snippet:
    """Code that is shown, and what it should give.

    Parameters
    ----------
    source : str
        As it is shown.
    result : str
        The name that it sets.
    wanted : callable
        From the names of a call, as keywords, to the right value.
    calls : tuple of dict
        Names and arrays that the source uses; together they show each fault.
    mends : dict
        From a letter to the source with what this letter asks for.
    names : callable, optional
        Gives more names that the source uses: of functions, of modules.
    """

    source: str
    result: str
    wanted: Callable
    calls: tuple
    mends: dict
    names: Callable = dict

    def __call__(self):
        """Which letters hold: "a" if it stands, another if it fails and that letter mends."""
        stands = self.agrees(self.source)
        mended = {k: not stands and self.agrees(mend) for k, mend in self.mends.items()}
        return {"a": stands} | mended

    def agrees(self, source, names=None):
        """Whether a source gives the right value on every call."""
        return all(self.gives(source, call, names) for call in self.calls)

    def gives(self, source, call, names=None):
        """Whether a source gives the right value on one call; it does not if it raises."""
        around = {**(self.names() if names is None else names), "np": np}
        around |= copy.deepcopy(call)
        with contextlib.suppress(Exception), np.errstate(all="ignore"):
            exec(compile(source, "<item>", "exec"), around)
            got, want = np.asarray(around[self.result]), np.asarray(self.wanted(**call))
            return got.shape == want.shape and np.allclose(got, want, RTOL, ATOL)
        return False


@dataclass(frozen=True)
class Item:
    """One snippet or sentence, and what may be said of it.

    Parameters
    ----------
    asks : str
        Markdown: what the snippet shall do, or the sentence.
    holds : callable
        Without arguments, to a dict from each letter to whether it holds: a Snippet, or a
        function that works the sentence out. One letter holds.
    options : dict
        From letter to text, but for "a", which says that the item is right as it stands.
    says : dict
        From each letter to what is said to who chooses it: why it is so, or what speaks
        against it.
    look : str
        What to try, for the second hint.
    see : str
        The section that has it.
    """

    asks: str
    holds: Callable
    options: dict
    says: dict
    look: str
    see: str

    @property
    def letters(self):
        """All letters, "a" first."""
        return ("a", *self.options)

    def right(self):
        """The letter that holds.

        Raises
        ------
        ValueError
            If not exactly one does: a fault of the item.
        """
        found = [letter for letter, holds in self.holds().items() if holds]
        if len(found) != 1:
            raise ValueError(f"one letter must hold; got {found} of {self.asks!r}.")
        return found[0]

    def shown(self, number, language=ENGLISH):
        """The item in Markdown."""
        code = getattr(self.holds, "source", "").strip()
        options = {k: language(said) for k, said in {"a": STANDS, **self.options}.items()}
        asks = f"**{number}.** {language(self.asks)}"
        parts = [asks, *([f"```python\n{code}\n```"] if code else [])]
        return "\n\n".join([*parts, "\n".join(f"- **{k}** {v}" for k, v in options.items())])


@dataclass(frozen=True, repr=False)
class Marks(Result):
    """A Result with a line for each item that was attempted."""

    def __repr__(self):
        first, *lines = map(self.language, self.sentences)
        return "\n".join([f"{self.head}{self.language.space}{first}", *lines])

    def _repr_html_(self):
        kind = self.state.name.lower().replace("_", "-")
        first, *lines = (html.escape(self.language(said)) for said in self.sentences)
        items = "".join(f"<li>{line}</li>" for line in lines)
        return (
            f'<div class="check check-{kind}" role="status"><strong>{self.head}</strong>'
            f" {first}{items and f'<ul>{items}</ul>'}</div>"
        )


@dataclass(frozen=True, repr=False)
class SelfTest(Exercise):
    """Say of many short items which are right, and what is wrong with the others.

    An answer is a dict from an item's number, counted from 1, to a letter, or all letters in
    a row. What is left out, or is `...`, is not attempted, and nothing is said of it.

    Parameters
    ----------
    items : tuple of Item
        In the order of their numbers.
    """

    items: tuple = ()
    reference: Callable = field(default=None)

    kind = "a self-test"

    def questions(self, first=1, last=None):
        """Items in Markdown.

        Parameters
        ----------
        first, last : int, optional
            Their numbers. All, if left out.

        Returns
        -------
        str
        """
        chosen = list(enumerate(self.items, start=1))[first - 1 : last]
        return "\n\n".join(item.shown(number, self.language) for number, item in chosen)

    def right(self):
        """The right letters, found by running.

        Returns
        -------
        dict
            From number to letter.
        """
        with as_imported():
            return {n: item.right() for n, item in enumerate(self.items, start=1)}

    def folded(self, hints=None, solution=True):
        """As of Exercise. The solution gives the reason of each letter."""
        text = super().folded(hints, solution)
        if not solution:
            return text
        right = self.right()
        reasons = [
            f"- **{n}** {right[n]}: {self.language(item.says[right[n]])} "
            f"[{self.language(item.see)}](#{_anchor(item.see)})"
            for n, item in enumerate(self.items, start=1)
        ]
        return "\n".join([text.removesuffix("\n</details>"), *reasons, "", "</details>"])

    # The three steps of a check.

    def task(self, seed):
        """The right letters."""
        return Task([()], [self.right()], seed)

    def look(self, answer, task, ended):
        """Pairs of a key and a text in an answer, as plain data."""
        if not _is_set(answer):
            return Seen("untouched")
        kind = type(answer)
        pairs = dict.items(answer) if issubclass(kind, dict) else _in_a_row(answer)
        if pairs is None:
            return Seen(kind.__name__)
        first = itertools.islice(pairs, MOST_READ)
        seen = [[_key(key), _text(value)] for key, value in first if _is_set(value)]
        return Seen("pairs" if seen else "untouched", seen)

    def verdict(self, ended, task):
        """The marks of all items that were attempted, and how many are right."""
        seen = ended.value
        if seen is not None and seen.kind == "untouched":
            return Marks(State.NOT_ATTEMPTED, say(SET_LETTERS, name=self.name))
        if seen is None or seen.kind != "pairs":
            return Marks(State.NOT_YET, say(A_DICT, name=self.name))
        if any(_pair(entry)[0] == 0 for entry in seen.outcomes):
            return Marks(State.NOT_YET, say(FROM_0, all=len(self.items)))
        marks = [self._mark(*_pair(entry), task.wanted[0]) for entry in seen.outcomes]
        marks.sort(key=lambda mark: mark[0])
        right = {number for number, letter, is_right, _ in marks if is_right}
        wrong = [f"{n} {letter}" for n, letter, is_right, _ in marks if letter and not is_right]
        tried, count = {number for number, *_ in marks}, len(self.items)
        left = sum(number not in tried for number in range(1, count + 1))
        done = len(right) == count == len(marks)
        head = say(ALL_RIGHT if done else COUNT, right=len(right), all=count, left=left)
        state = State.CORRECT if done else State.NOT_YET
        lines = [sentence for *_, sentence in marks]
        return Marks(state, (head, *lines), ", ".join(wrong) or None)

    def _mark(self, key, text, wanted):
        """Number, letter, whether it is right, and the sentence, of one entry of an answer."""
        if type(key) is not int or not 1 <= key <= len(self.items):
            return len(self.items) + 1, None, False, say(NO_ITEM, key=key, all=len(self.items))
        item, letter = self.items[key - 1], _letter(text)
        if letter not in item.letters:
            options = ", ".join(map(repr, item.letters))
            return key, None, False, say(NO_LETTER, number=key, options=options)
        is_right = letter == wanted[key]
        mark, reason, section = "✔" if is_right else "✘", say(item.says[letter]), say(item.see)
        sentence = say(MARK, mark=mark, number=key, reason=reason, section=section)
        return key, letter, is_right, sentence


def _anchor(heading):
    """The address of a heading on its page, as the book's pages have it."""
    return re.sub(r"[^\w ]", "", heading.lower()).replace(" ", "-")


def _in_a_row(answer):
    """Pairs of a number and a letter, of letters in a row; None of anything else."""
    kind = type(answer)
    if issubclass(kind, str):
        row = str.__str__(answer).strip()
        letters = re.sub(r"[\s,;]", "", row) if IN_A_ROW.fullmatch(row) else None
    elif issubclass(kind, list | tuple):
        letters = (list if issubclass(kind, list) else tuple).__iter__(answer)
    else:
        of_text = kind is np.ndarray and answer.ndim == 1 and answer.dtype.kind in "UO"
        letters = answer.tolist() if of_text else None
    return None if letters is None else enumerate(letters, start=1)


def _is_set(value):
    blank = issubclass(type(value), str) and not str.__str__(value).strip()
    return value is not None and value is not ... and not blank


def _pair(entry):
    """Key and text, also of what a process of others has reported in another form."""
    return entry if type(entry) is list and len(entry) == 2 else ("?", None)


def _key(key):
    """The number that a key is, or else a text that can be shown."""
    if type(key) is int or issubclass(type(key), np.integer):
        return int(key) if abs(key) < 10**9 else "?"
    if type(key) is str:
        return int(key) if re.fullmatch(r"\d{1,4}", key.strip(), re.ASCII) else key[:20]
    if issubclass(type(key), float):  # also NumPy's float64
        whole = float.is_integer(key) and abs(key) < 10**9
        return int(key) if whole else float.__repr__(key)
    return type(key).__name__


def _text(value):
    return str.__str__(value)[:200] if issubclass(type(value), str) else None


def _letter(text):
    """The one letter in a text: "B", " (b) ", "b.", "option b"."""
    if type(text) is not str:
        return None
    left = [w for w in re.findall(r"[a-z]+", text.lower()) if w not in words.BESIDE_A_LETTER]
    return left[0] if len(left) == 1 else None
