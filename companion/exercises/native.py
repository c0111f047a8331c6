"""Exercises whose answers are functions of a framework: they get its tensors.

The checker compares NumPy arrays. So a native function is put into one that takes arrays,
hands it tensors, and gives back an array. The framework is imported when an answer is
checked, not before: the exercises of other chapters do without.
"""

import importlib
from dataclasses import dataclass, field

import numpy as np

from companion.exercises import words
from companion.exercises.exercise import FunctionExercise
from companion.exercises.running import NoHistory
from companion.exercises.says import say

FLOAT64 = 1e-9, 1e-12  # rtol and atol of what was computed in double precision


class Lazy:
    """A module that is imported when it is first used.

    Parameters
    ----------
    name : str
        "torch.nn.functional".

    Raises
    ------
    AttributeError
        On the first use, if the module cannot be imported.

    Examples
    --------
    >>> Lazy("math").sqrt(4)
    2.0
    """

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        try:
            module = importlib.import_module(self._name)
        except ImportError as error:  # hasattr, and all who look at objects, expect this one
            raise AttributeError(
                f"{self._name!r} has no {attribute!r} here: it cannot be imported ({error})."
            ) from error
        return getattr(module, attribute)


def on_tensors(framework, function, learns=False):
    """`function`, which works on tensors, as one that works on arrays.

    Parameters
    ----------
    framework : {"torch", "tensorflow"}
        Whose tensors.
    function : callable
        Takes tensors, returns a tensor.
    learns : bool
        Whether the result must have a gradient by the first argument (PyTorch only).

    Returns
    -------
    callable
        Takes arrays, returns an array, or NoHistory if no gradient flows. What is no tensor is
        passed on as it is.

    Examples
    --------
    >>> torch = Lazy("torch")
    >>> on_tensors("torch", lambda x: torch.exp(x))(np.zeros(2))
    array([1., 1.])
    """
    module = Lazy(framework)

    def with_arrays(*args):
        # PyTorch shares the memory, so that an argument that is changed is seen to be.
        make = module.from_numpy if framework == "torch" else module.constant
        given = [make(a) if isinstance(a, np.ndarray) else a for a in args]
        returned = (
            function(given[0].requires_grad_(), *given[1:]) if learns else function(*given)
        )
        if type(returned).__module__.split(".")[0] != framework:
            return NoHistory(returned) if learns and type(returned) is float else returned
        if learns and not returned.requires_grad:
            return NoHistory(returned.numpy())
        return (returned.detach() if framework == "torch" else returned).numpy()

    with_arrays.__wrapped__ = function  # where an error arose is looked up in there
    return with_arrays


@dataclass(frozen=True, repr=False)
class NativeExercise(FunctionExercise):
    """A function of a framework's tensors. All its data is in NumPy, as everywhere.

    Parameters
    ----------
    framework : {"torch", "tensorflow"}
        Whose tensors the answer gets. `reference`, `family` and the mistakes work on arrays.
    learns : bool
        Whether a gradient must flow from the result to the first argument.
    """

    framework: str = "torch"
    learns: bool = False
    # Frameworks compute in float32 unless told otherwise, and an answer may.
    rtol: float = field(default=1e-5, kw_only=True)
    atol: float = field(default=1e-6, kw_only=True)

    def around(self):
        """The framework's usual names, and NumPy's."""
        names = {"torch": {"torch": "torch", "F": "torch.nn.functional"}}
        names["tensorflow"] = {"tf": "tensorflow"}
        modules = names[self.framework].items()
        return super().around() | {name: importlib.import_module(m) for name, m in modules}

    def runnable(self, answer):
        """The answer, to be called with arrays."""
        return on_tensors(self.framework, answer, self.learns)

    def unavailable(self):
        """A result where the framework is missing."""
        try:
            importlib.import_module(self.framework)  # here: its seconds are not the answer's
        except ImportError:
            return words.framework_is_missing(self.framework)
        return None

    def _praise(self, outcomes, task):
        precise = all(o.agrees(w, *FLOAT64) for o, w in zip(outcomes, task.wanted, strict=True))
        single = () if precise else (say(words.SINGLE),)
        return (*super()._praise(outcomes, task), *single)
