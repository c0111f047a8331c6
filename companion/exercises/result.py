"""What a check says: one of five states, and a sentence."""

import enum
import html
from dataclasses import dataclass


class State(enum.Enum):
    """The five ways a check can end. The text carries the state, colour never does."""

    CORRECT = "✔ Correct."
    NOT_YET = "✘ Not yet."
    NOT_ATTEMPTED = "… Not attempted."
    RAISED = "⚠ Your code raised an error."
    SHORTCUT = "↪ Works, but by a shortcut."


@dataclass(frozen=True)
class Result:
    """The answer of `check`. True only if the state is CORRECT.

    Parameters
    ----------
    state : State
        How the check ended.
    message : str
        What to think of next.
    mistake : str, optional
        Name of the mistake, if the catalogue knows it.

    Examples
    --------
    >>> Result(State.NOT_YET, "Your rows sum to 2.")
    ✘ Not yet. Your rows sum to 2.
    """

    state: State
    message: str = ""
    mistake: str | None = None

    def __bool__(self):
        return self.state is State.CORRECT

    def __repr__(self):
        return f"{self.state.value} {self.message}".strip()

    def _repr_html_(self):
        kind = self.state.name.lower().replace("_", "-")
        return (
            f'<div class="check check-{kind}" role="status">'
            f"<strong>{self.state.value}</strong> {html.escape(self.message)}</div>"
        )
