"""Every sentence that a reader can see, as data: a template with named values.

A translation looks the template up and fills in the same values.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sentence:
    """A template and its values. Prints as the sentence.

    Parameters
    ----------
    template : str
        With `{name}` for each value.
    values : dict
        From name to what stands there: text, a number, or another Sentence.

    Examples
    --------
    >>> Sentence("{name} has shape {got}.", {"name": "p", "got": (2, 3)})
    p has shape (2, 3).
    """

    template: str
    values: dict = field(default_factory=dict)

    def __str__(self):
        # Without values it is a plain text, and may hold braces.
        return self.template.format(**self.values) if self.values else self.template

    __repr__ = __str__


def say(template, **values):
    """A sentence.

    Parameters
    ----------
    template : str or Sentence
        A Sentence is handed back.
    **values : object
        What stands in its braces.

    Returns
    -------
    Sentence

    Examples
    --------
    >>> say("{got} is too {side}.", got=3, side="large")
    3 is too large.
    """
    return template if isinstance(template, Sentence) else Sentence(template, values)


def together(sentences):
    """Several things that are wrong, as one text that says first how many there are.

    Parameters
    ----------
    sentences : sequence of Sentence
        The one that matters most comes first.

    Returns
    -------
    tuple of Sentence

    Examples
    --------
    >>> together([say("The axis is wrong."), say("The sign, too.")])
    (Two things., The axis is wrong., The sign, too.)
    """
    count = {2: say("Two things."), 3: say("Three things.")}.get(len(sentences))
    return (*([count] if count else []), *sentences)
