"""练习的中文版: the same exercises, and a checker that says the same in Chinese.

    from companion.exercises.zh import numerical_stability as ex

    ex.softmax.check(my_softmax)

The sentences are in `words.json`, from English to Chinese; they are read when this package is
imported. `python -m companion.exercises.zh check FILE` is the command line. Which language
speaks depends on the import alone: both may be used side by side.
"""

import dataclasses
import functools
import importlib
import json
import types
from pathlib import Path

from companion.exercises import TOPICS, overview
from companion.exercises.exercise import Exercise
from companion.exercises.says import Language

__all__ = ["CHINESE", "TOPICS", "progress", *TOPICS]

_WORDS = Path(__file__).with_name("words.json").read_text(encoding="utf-8")
CHINESE = Language(json.loads(_WORDS), space="")


def progress():
    """What `companion.exercises.progress` gives, printed in Chinese."""
    return overview.progress(CHINESE)


def in_chinese(exercise):
    """The same exercise, whose texts are shown in Chinese."""
    return dataclasses.replace(exercise, language=CHINESE)


@functools.cache
def __getattr__(name):
    """A chapter's exercises, when they are asked for."""
    if name not in TOPICS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"companion.exercises.{name}")
    exercises = {
        key: in_chinese(thing)
        for key, thing in vars(module).items()
        if isinstance(thing, Exercise)
    }
    return types.SimpleNamespace(**exercises)
