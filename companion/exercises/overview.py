"""What has been solved in this kernel."""

from companion.exercises.result import State

_latest = {}


def remember(result):
    """Keep the latest result of each exercise."""
    _latest[result.exercise] = result


class Overview(dict):
    """From "topic.name" to Result. Prints one line each, and how many are right."""

    def __repr__(self):
        if not self:
            return "No exercise has been checked in this kernel."
        lines = [f"{result.state.value[0]} {name}" for name, result in self.items()]
        right = sum(bool(result) for result in self.values())
        return "\n".join([*lines, f"{right} of {len(self)} checked are correct."])


def progress():
    """The latest result of every exercise that was checked in this kernel.

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
    return Overview(sorted(attempted.items()))
