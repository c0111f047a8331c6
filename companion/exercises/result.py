"""What a check says: one of six states, and sentences."""

import enum
import html
from dataclasses import dataclass, field

from companion.exercises.says import ENGLISH, Language, say


class State(enum.Enum):
    """The six ways a check can end. The text carries the state, colour never does.

    COULD_NOT_JUDGE is never the reader's fault: a framework is missing, or the checker failed.
    """

    CORRECT = "✔ Correct."
    NOT_YET = "✘ Not yet."
    NOT_ATTEMPTED = "… Not attempted."
    RAISED = "⚠ Your code raised an error."
    SHORTCUT = "↪ Works, but by a shortcut."
    COULD_NOT_JUDGE = "? Could not be judged."


@dataclass(frozen=True)
class Result:
    """The answer of `check`. True only if the state is CORRECT.

    Parameters
    ----------
    state : State
        How the check ended.
    sentences : str or tuple of Sentence
        What to think of next.
    mistake : str, optional
        Name of the mistake, or of the wrong switches, if they explain every call.
    exercise : str, optional
        "topic.name".
    seed : int, optional
        Of the fresh random call, for `check(answer, seed=...)`.
    language : Language
        In which it is printed.

    Examples
    --------
    >>> Result(State.NOT_YET, "Your rows sum to 2.", exercise="numerical_stability.softmax")
    ✘ Not yet. Your rows sum to 2.
    """

    state: State
    sentences: tuple = ()
    mistake: str | None = None
    exercise: str | None = None
    seed: int | None = None
    language: Language = field(default=ENGLISH, compare=False, kw_only=True)

    def __post_init__(self):
        given = self.sentences
        given = given if isinstance(given, tuple) else (given,) if given else ()
        object.__setattr__(self, "sentences", tuple(say(sentence) for sentence in given))

    @property
    def message(self):
        """All sentences as one text."""
        return self.language.joined(self.sentences)

    @property
    def head(self):
        """The state in words."""
        return self.language(self.state.value)

    def as_dict(self):
        """What a grade book needs, as plain data.

        Returns
        -------
        dict
            exercise, state, correct, mistake, message, seed.

        Examples
        --------
        >>> Result(State.CORRECT).as_dict()["state"]
        'CORRECT'
        """
        return {
            "exercise": self.exercise,
            "state": self.state.name,
            "correct": bool(self),
            "mistake": self.mistake,
            "message": self.message,
            "seed": self.seed,
        }

    def __bool__(self):
        return self.state is State.CORRECT

    def __repr__(self):
        return f"{self.head}{self.language.space}{self.message}".strip()

    def _repr_html_(self):
        kind = self.state.name.lower().replace("_", "-")
        return (
            f'<div class="check check-{kind}" role="status">'
            f"<strong>{self.head}</strong> {html.escape(self.message)}</div>"
        )
