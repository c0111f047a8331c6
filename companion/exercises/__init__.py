"""The exercises of the book, as data, and the checker that names the reader's mistake.

One module per chapter holds its exercises: `derivation`, `numerical_stability`,
`derivatives`, `mse_vs_cross_entropy`, `framework_equivalents`, `distillation`, `one_pass`,
`language_model`, `relatives`, `pitfalls`.
Each exercise has `check`, `hint` and `solution`::

    from companion.exercises import numerical_stability as ex

    ex.softmax.check(my_softmax)
    ex.softmax.hint()
    ex.softmax.solution()

`progress()` tells what has been solved in this kernel. From a shell,
`python -m companion.exercises check FILE` judges a notebook or a script, in a process of its
own, and `python -m companion.exercises list` lists all exercises.
"""

from companion.exercises.overview import progress

__all__ = ["TOPICS", "progress"]

TOPICS = (  # in the order of the chapters
    "derivation",
    "numerical_stability",
    "derivatives",
    "mse_vs_cross_entropy",
    "framework_equivalents",
    "distillation",
    "one_pass",
    "language_model",
    "relatives",
    "pitfalls",
)
