"""Compare printed text: words and integers to the letter, floats within a relative tolerance.

Used by nbval (through `conftest.py`) and by `tools/refresh.py`. There is no absolute
tolerance, so that a stored 4.25e-18 is compared too. Rounding noise around 0 must
therefore never be printed.
"""

import math
import re

RTOL = 1e-3

# A float has a point or an exponent. What is part of a name (float64, x2) is not a number.
NUMBER = re.compile(r"(?<![\w.])[-+−]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?")


class Approx(str):
    """Text that equals another if words agree and floats lie within RTOL.

    Examples
    --------
    >>> Approx("loss 0.12345, 3 steps") == "loss 0.12346, 3 steps"
    True
    >>> Approx("loss 0.12345, 3 steps") == "loss 0.12345, 4 steps"
    False
    """

    __slots__ = ()
    __hash__ = None

    def __eq__(self, other):
        return _skeleton(self) == _skeleton(other) and all(
            map(_near, _floats(self), _floats(other))
        )

    def __ne__(self, other):
        return not self == other


def _skeleton(text):
    # White space is folded, since NumPy pads columns by the width of the widest number.
    return " ".join(NUMBER.sub(" # ", text).split())


def _floats(text):
    return [float(number.replace("−", "-")) for number in NUMBER.findall(text)]


def _near(a, b):
    return math.isclose(a, b, rel_tol=RTOL, abs_tol=0.0)
