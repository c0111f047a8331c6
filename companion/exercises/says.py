"""Every sentence that a reader can see, as data: a template with named values.

A translation looks the template up and fills in the same values.
"""

import re
import textwrap
import unicodedata
from dataclasses import dataclass, field

# A line may end after a blank, and after a Chinese character if no closing sign follows it.
PIECES = re.compile(
    r"[“（《]*[\u3400-\u9fff][，。：；、？！”）》…—]*"
    r"| |[^ \u3400-\u9fff“（《]+[，。：；、？！”）》]*|[“（《]"
)


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
        return ENGLISH(self)

    __repr__ = __str__


@dataclass(frozen=True)
class Language:
    """How a sentence is said: in the words of its template, or in those of another language.

    Parameters
    ----------
    words : dict
        From an English template to another one with the same names in braces. What is not
        in it is said in English.
    space : str
        What stands between two sentences.

    Examples
    --------
    >>> say_it = Language({"{got} is too {side}.": "{got} {side}。", "large": "太大"}, "")
    >>> say_it(say("{got} is too {side}.", got=3, side=say("large")))
    '3 太大。'
    """

    words: dict = field(default_factory=dict)
    space: str = " "

    def __call__(self, said):
        """A Sentence, or a text that is one, as a text in this language."""
        said = say(said)
        template = self.words.get(said.template, said.template)
        if not said.values:  # it is a plain text, and may hold braces
            return template
        values = {k: self(v) if isinstance(v, Sentence) else v for k, v in said.values.items()}
        return template.format(**values)

    def joined(self, sentences):
        """Several sentences as one text."""
        return self.space.join(map(self, sentences))


ENGLISH = Language()


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


def wrapped(text, columns):
    """Lines of a text in which a Chinese character takes two columns and may end a line.

    Parameters
    ----------
    text : str
    columns : int
        Of the longest line, if no word is longer.

    Returns
    -------
    list of str

    Examples
    --------
    >>> wrapped("每一行的最大值，z 的形状为 (N, K)。", 20)
    ['每一行的最大值，z 的', '形状为 (N, K)。']
    """
    if text.isascii():
        return textwrap.wrap(text, columns)
    lines = [""]
    for piece in PIECES.findall(text):
        if lines[-1] and width(lines[-1] + piece.rstrip()) > columns:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return [line.rstrip() for line in lines]


def width(text):
    """The columns that a text takes in a font of fixed width.

    Examples
    --------
    >>> width("行 row")
    6
    """
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


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
