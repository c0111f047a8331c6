"""What runs a call of the table of equivalents: its names, value, slope, and what it says."""

import contextlib
import functools
import importlib
import warnings

import numpy as np

import companion
from companion.derivatives import numerical_gradient

LIBRARIES = ("numpy", "scipy", "sklearn", "torch", "tensorflow", "keras", "optax", "onnx")
# What a reader has imported: name in the calls -> module, or a function of one.
NAMES = {
    "numpy": {
        "np": "numpy",
        "relatives": "companion.relatives",
        "linear": "companion.one_pass.linear",
    },
    "scipy": {"np": "numpy", "special": "scipy.special"},
    "sklearn": {
        "metrics": "sklearn.metrics",
        "preprocessing": "sklearn.preprocessing",
        "extmath": "sklearn.utils.extmath",
    },
    "torch": {"torch": "torch", "F": "torch.nn.functional"},
    "tensorflow": {"tf": "tensorflow"},
    "keras": {"keras": "keras", "ops": "keras.ops"},
    "optax": {"jax": "jax", "jnp": "jax.numpy", "optax": "optax"},
    "onnx": {"np": "numpy", "onnx_op": "companion.frameworks.table.onnx_op"},
}
DIFFERENTIATE = ("torch", "tensorflow", "keras", "optax")  # the others are differenced
PIP = {"sklearn": "scikit-learn", "jax": "jax optax"}  # where a package is not called as it is


def imports(library):
    """The lines that make the names of a library's calls known.

    Parameters
    ----------
    library : str
        One of LIBRARIES.

    Returns
    -------
    list of str

    Examples
    --------
    >>> imports("torch")
    ['import torch', 'import torch.nn.functional as F']
    """
    lines = ["from companion import *"] if library == "numpy" else []
    for name, module in NAMES[library].items():
        package, _, last = module.rpartition(".")
        if name == module:
            lines.append(f"import {module}")
        elif name == last and package:
            lines.append(f"from {package} import {name}")
        else:
            lines.append(f"import {module} as {name}")
    return lines


def onnx_op(name, *inputs, **attributes):
    """The first output of one operator of ONNX, as its reference implementation computes it.

    Parameters
    ----------
    name : str
        Of the operator, as "Softmax".
    *inputs : array_like
        In the operator's order.
    **attributes
        The operator's, as `axis=1`.

    Returns
    -------
    ndarray

    Raises
    ------
    ImportError
        If ONNX is not installed.

    Examples
    --------
    >>> onnx_op("Softmax", np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """
    make, run = found("onnx.helper"), found("onnx.reference")
    given = {f"input{i}": np.asarray(value) for i, value in enumerate(inputs)}
    node = make.make_node(name, list(given), ["output"], **attributes)
    return run.ReferenceEvaluator(node).run(None, given)[0]


def value(library, call, given):
    """What a call gives.

    Parameters
    ----------
    library : str
        One of LIBRARIES.
    call : str
        The expression.
    given : dict of str to ndarray
        Its inputs.

    Returns
    -------
    ndarray of float64

    Raises
    ------
    ImportError
        If the library is not installed.

    Examples
    --------
    >>> value("numpy", "logsumexp(z)", {"z": np.zeros(2)})
    array(0.69314718)
    """
    with in_double(library):
        return as_float64(run(library, call, tensors(library, given)))


def slope(library, call, given, name):
    """The gradient of the call's output, as one number with unequal weights.

    Parameters
    ----------
    library : str
        One of LIBRARIES. PyTorch, TensorFlow, Keras and JAX differentiate, the others are
        differenced.
    call : str
        The expression.
    given : dict of str to ndarray
        Its inputs.
    name : str
        The input that the slope is taken in.

    Returns
    -------
    ndarray of float64, shape of that input

    Examples
    --------
    >>> slope("numpy", "logsumexp(z)", {"z": np.zeros(2)}, "z").round(6)
    array([0.5, 0.5])
    """
    weights = 1.0 + np.arange(value(library, call, given).size)
    with in_double(library):
        return as_float64(_slope(library, call, given, name, weights))


def said(call):
    """What a call does, in one word or two: the number it gives, or the error it raises.

    Parameters
    ----------
    call : callable
        Without arguments.

    Returns
    -------
    str
        Of several numbers the first, with five digits.

    Examples
    --------
    >>> said(lambda: np.float64(16.118095)), said(lambda: [][0])
    ('16.118', 'raises IndexError')
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            first = as_float64(call()).ravel()[0]
        except Exception as error:
            return f"raises {type(error).__name__}"
    return f"{first + 0.0:.5g}".replace("-", "−")


def _slope(library, call, given, name, weights):
    of = tensors(library, given)
    if library == "torch":
        leaf = of[name].requires_grad_()
        output = run(library, call, of).ravel()
        (output * _tensor(library, weights).to(output.dtype)).sum().backward()
        return leaf.grad
    if library in ("tensorflow", "keras"):
        return _tape(call, of, name, weights, library)
    if library == "optax":
        outputs, pull = found("jax").vjp(lambda x: run(library, call, of | {name: x}), of[name])
        return pull(weights.reshape(outputs.shape).astype(outputs.dtype))[0]
    return numerical_gradient(
        lambda x: weights @ value(library, call, given | {name: x}).ravel(), given[name]
    )


def _tape(call, of, name, weights, library):
    tf = found("tensorflow")
    with tf.GradientTape() as tape:
        tape.watch(of[name])
        output = tf.reshape(run(library, call, of), [-1])
        total = tf.tensordot(tf.cast(weights, output.dtype), output, 1)
    return tape.gradient(total, of[name])


def tensors(library, given):
    """The inputs as the library's own arrays."""
    return {name: _tensor(library, array) for name, array in given.items()}


def _tensor(library, array):
    if library == "torch":
        return found("torch").tensor(array)
    if library in ("tensorflow", "keras"):
        return found("tensorflow").constant(array)
    if library == "optax":
        return found("jax.numpy").asarray(array)
    return array


def run(library, call, of):
    """The expression, evaluated in the library's names and these tensors."""
    names = {name: found(where) for name, where in NAMES[library].items()}
    core = {name: getattr(companion, name) for name in companion.__all__}
    return eval(call, {**(core if library == "numpy" else {}), **names, **of})


def as_float64(result):
    """Any library's array as NumPy's."""
    if hasattr(result, "detach"):  # PyTorch's bfloat16 is unknown to NumPy
        result = result.detach().double()
    return np.asarray(result, dtype=np.float64)


def in_double(library):
    """Where JAX may use float64, which it must be told, and the rest of the program is not."""
    return found("jax").enable_x64(True) if library == "optax" else contextlib.nullcontext()


@functools.cache
def found(where):
    """A module, or a function of one, or a sentence that says what to install."""
    try:
        return importlib.import_module(where)
    except ImportError as error:
        package, _, last = where.rpartition(".")
        if package.startswith("companion"):
            return getattr(importlib.import_module(package), last)
        root = where.partition(".")[0]
        raise ImportError(
            f"companion.frameworks.table runs a call of {root}, which is not installed: "
            f"pip install {PIP.get(root, root)}."
        ) from error


def both(library, mode, call, given):
    """A call as a function without arguments, and the same inside a mode."""
    names = {name: found(where) for name, where in NAMES[library].items()}
    names["under_policy"] = _under_policy
    of = tensors(library, given)
    used = [name for name in of if name in compile(call, "<call>", "eval").co_names]
    plain = eval(f"lambda {', '.join(used)}: {call}", names)  # compilers read its code
    wrapped = eval(mode, names)(plain)
    return [functools.partial(f, *(of[name] for name in used)) for f in (plain, wrapped)]


def _under_policy(name):
    """Keras's setting for the whole program, as a decorator that takes it back."""

    def decorate(f):
        def inside(*args):
            policies = found("keras").mixed_precision
            before = policies.dtype_policy()
            policies.set_dtype_policy(name)
            try:
                return f(*args)
            finally:
                policies.set_dtype_policy(before)

        return inside

    return decorate


def dtype_of(call):
    """The name of the dtype that a call gives."""
    dtype = call().dtype
    return getattr(dtype, "name", str(dtype).removeprefix("torch."))
