"""What has been solved in this kernel."""

from companion.exercises.result import State
from companion.exercises.says import ENGLISH, say

_latest = {}
NOTHING = "No exercise has been checked in this kernel."
COUNT = "{right} of {all} checked are correct."


def remember(result):
    """Keep the latest result of each exercise."""
    _latest[result.exercise] = result


class Overview(dict):
    """From "topic.name" to Result. Prints one line each, and how many are right."""

    language = ENGLISH

    def __repr__(self):
        if not self:
            return self.language(NOTHING)
        lines = [f"{result.state.value[0]} {name}" for name, result in self.items()]
        right = sum(bool(result) for result in self.values())
        return "\n".join([*lines, self.language(say(COUNT, right=right, all=len(self)))])


def progress(language=ENGLISH):
    """The latest result of every exercise that was checked in this kernel.

    Parameters
    ----------
    language : Language
        In which the overview is printed.

    Returns
    -------
    Overview
        A dict, from "topic.name" to Result.

    Examples
    --------
    >>> from companion.exercises import derivation
    >>> derivation.same_probs.check("b")
    ✔ Correct. Subtract 100 from every logit.
    >>> progress()["derivation.same_probs"]
    ✔ Correct. Subtract 100 from every logit.
    """
    attempted = {n: r for n, r in _latest.items() if r.state is not State.NOT_ATTEMPTED}
    overview = Overview(sorted(attempted.items()))
    overview.language = language
    return overview
