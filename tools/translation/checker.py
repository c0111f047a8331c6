"""The sentences of the exercises and of their checker."""

import ast
import importlib
from dataclasses import dataclass

from companion.exercises.exercise import Exercise
from companion.exercises.says import Sentence
from tools.translation import messages
from tools.translation.faults import PLACEHOLDER
from tools.translation.messages import ROOT

PACKAGE = ROOT / "companion" / "exercises"
# What every exercise shares: sentences are constants there, or stand in a call of `say`.
SHARED = (
    "says",
    "result",
    "words",
    "self_test",
    "exercise",
    "native",
    "judge",
    "overview",
    "__main__",
)
SAYS = {"say", "language"}  # functions and methods that are given a sentence
GUESSED = (1e-300, 1e-12, 1e-7, 0.01, 1.0, 100.0)  # positions that have each a sentence
NOT_SAID = {"PROGRAM", "EXAMPLES", "FRAMEWORKS", "OPTIONS"}  # commands and names


@dataclass(frozen=True)
class Message:
    """An English text, where it stands, and how it is shown.

    Parameters
    ----------
    english : str
    place : str
        "derivation.softmax, hint 1".
    markdown : bool
        Whether it is shown as Markdown; else as plain text, with names in braces.
    """

    english: str
    place: str
    markdown: bool = False


def exercises(topic):
    """The exercises of a chapter, in the order of its module."""
    module = importlib.import_module(f"companion.exercises.{topic}")
    return [thing for thing in vars(module).values() if isinstance(thing, Exercise)]


def messages_of(topic):
    """All messages of a chapter's exercises, each once."""
    found = {}
    for exercise in exercises(topic):
        for message in _of(exercise):
            found.setdefault(message.english, message)
    return list(found.values())


def _of(exercise):
    name = exercise.key
    if exercise.trains:
        yield Message(exercise.trains, f"{name}, what it trains")
    for source in (exercise.stub, exercise.answer):
        yield from _words_of(source, name)
    for number, hint in enumerate(exercise.hints, 1):
        yield Message(_template(hint), f"{name}, hint {number}", True)
    yield Message(_template(exercise.why), f"{name}, beside the solution", True)
    for letter, option in (getattr(exercise, "options", None) or {}).items():
        yield Message(_template(option), f"{name}, option {letter}")
    for number, item in enumerate(getattr(exercise, "items", ()), 1):
        yield from _of_item(item, f"{name} {number}")
    for switch in getattr(exercise, "switches", ()):
        for position, sentence in switch.wrong.items():
            yield from _all(sentence, f"{name}, wrong in {switch.name}: {position}")
        for value in GUESSED if switch.says else ():
            yield from _all(switch.says(value), f"{name}, wrong in {switch.name}")
    for mistake in exercise.mistakes:
        yield Message(_template(mistake.message), f"{name}, mistake: {mistake.name}")
    if getattr(exercise, "lean", None):
        yield Message(_template(exercise.lean.message), f"{name}, memory")


def _of_item(item, name):
    yield Message(_template(item.asks), f"{name}, question", True)
    for letter, option in item.options.items():
        yield Message(_template(option), f"{name}, option {letter}", True)
    for letter, said in item.says.items():
        yield Message(_template(said), f"{name}, said to {letter}", True)
    yield Message(_template(item.look), f"{name}, to try")
    yield Message(_template(item.see), f"{name}, to read")


def _all(text, place):
    """A sentence, and those that stand in its braces."""
    yield Message(_template(text), place)
    for value in text.values.values() if isinstance(text, Sentence) else ():
        if isinstance(value, Sentence) and messages.is_prose(value.template):
            yield from _all(value, f"{place}, in braces")
        elif isinstance(value, str) and " " in value:
            raise ValueError(f"{place}: {value!r} must be said with `say`, to be translated")


def _template(text):
    return text.template if isinstance(text, Sentence) else text


def _words_of(source, name):
    """Comments and docstrings of a stub or a solution."""
    found = []
    messages.code(source.strip(), lambda text: found.append(text) or text)
    for text in found:
        yield Message(text, f"{name}, in its code")


def shared():
    """The sentences that belong to no single exercise."""
    found = {}
    for module in SHARED:
        tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
        for text in _said(tree):
            found.setdefault(text, Message(text, f"the checker, {module}.py"))
    return list(found.values())


def _said(tree):
    """Texts that are given to `say`, and those of constants and of states."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) in SAYS and node.args:
            yield from _texts(node.args[0])
        elif isinstance(node, ast.Assign):
            name = getattr(node.targets[0], "id", "")
            if (name.isupper() and name not in NOT_SAID) or name in ("kind", "text"):
                yield from _texts(node.value)
        elif isinstance(node, ast.AugAssign) and getattr(node.target, "id", "") == "text":
            raise ValueError(f"line {node.lineno}: a sentence must not be put together")


def _called(function):
    return getattr(function, "attr", getattr(function, "id", ""))


def _texts(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        said = messages.is_prose(PLACEHOLDER.sub("", node.value))
        if said or (PLACEHOLDER.search(node.value) and node.value.endswith(".")):
            yield node.value
    elif isinstance(node, ast.JoinedStr):  # of constants of this module, as A_HINT
        raise ValueError(
            f"line {node.lineno}: a sentence must be one constant, not an f-string"
        )
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _texts(value)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
