"""PyTorch's own tests on companion.equivalents.pytorch.

From torch/testing/_internal, which ships in the wheel: the sample inputs of its operators
(common_methods_invocations.py), compared with the operator; inputs, references and expected
errors of its modules (common_modules.py); and its older module tests (common_nn.py). Ours
stand in for the functions of torch.nn.functional while a case runs. Tolerances are those of
torch.testing.assert_close, for 16-bit types too: ours round where PyTorch does. (The
references of modules do not, so there the module itself is the reference.)
"""

import contextlib
import functools
import random
import re
import warnings
from unittest import mock

import numpy as np
from report import Tally, counted, report

from companion.equivalents import pytorch as ours

FUNCTIONS = (
    "softmax log_softmax logsumexp cross_entropy nll_loss kl_div "
    "binary_cross_entropy_with_logits"
).split()
MODULES = {
    "Softmax": "softmax",
    "Softmax2d": "softmax",
    "LogSoftmax": "log_softmax",
    "CrossEntropyLoss": "cross_entropy",
    "NLLLoss": "nll_loss",
    "KLDivLoss": "kl_div",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
}
COMPLEX = "complex logits have no order, and the package no use for them"
EXCLUDED = {
    "torch.complex32": COMPLEX,
    "torch.complex64": COMPLEX,
    "torch.complex128": COMPLEX,
    "BCEWithLogitsLoss_legacy_enum": "the deprecated argument `reduce` is left out of ours",
}


def mean_over_all(f):
    """A mean that divides by the number of targets, whatever their weights."""

    def broken(*args, reduction="mean", **kwargs):
        if reduction != "mean":
            return f(*args, reduction=reduction, **kwargs)
        return f(*args, reduction="none", **kwargs).mean()

    return broken


def classes_last(f):
    def broken(input, target, *args, **kwargs):
        input = np.moveaxis(input, -1, 1) if input.ndim > 2 else input
        return f(np.ascontiguousarray(input).reshape(input.shape), target, *args, **kwargs)

    return broken


def without(argument):
    return lambda f: (
        lambda *args, **kwargs: f(
            *args, **{name: value for name, value in kwargs.items() if name != argument}
        )
    )


def smoothing_others_only(f):
    def broken(input, *args, label_smoothing=0.0, **kwargs):
        num_classes = input.shape[1] if input.ndim > 1 else len(input)
        spread = label_smoothing * num_classes / (num_classes - 1)
        return f(input, *args, label_smoothing=spread, **kwargs)

    return broken


def unshifted(f):
    def broken(input, dim, keepdim=False):
        input = np.asarray(input, np.float64 if input.dtype.kind in "biu" else None)
        with np.errstate(all="ignore"):
            return np.log(np.exp(input).sum(dim if input.ndim else None, keepdims=keepdim))

    return broken


BROKEN = {
    "cross_entropy: sign flipped": lambda f: lambda *a, **k: -f(*a, **k),
    "cross_entropy: mean over N, not over weights": mean_over_all,
    "cross_entropy: classes on the last axis": classes_last,
    "cross_entropy: nothing is ignored": without("ignore_index"),
    "cross_entropy: smoothing over the other classes": smoothing_others_only,
    "nll_loss: mean over N, not over weights": mean_over_all,
    "nll_loss: no weights": without("weight"),
    "kl_div: batchmean is the mean": lambda f: (
        lambda *a, reduction="mean", **k: f(
            *a, reduction=reduction.replace("batchmean", "mean"), **k
        )
    ),
    "kl_div: target never a logarithm": without("log_target"),
    "binary_cross_entropy_with_logits: no pos_weight": without("pos_weight"),
    "softmax: over the last axis": lambda f: lambda x, dim=None, **k: f(x, -1, **k),
    "log_softmax: over the last axis": lambda f: lambda x, dim=None, **k: f(x, -1, **k),
    "logsumexp: no shift by the maximum": unshifted,
}


def to_numpy(value):
    import torch

    if isinstance(value, torch.dtype):
        return to_numpy(torch.zeros((), dtype=value)).dtype
    if not isinstance(value, torch.Tensor):
        return value
    if value.dtype == torch.bfloat16:  # torch cannot hand it over
        import ml_dtypes

        return value.detach().float().numpy().astype(ml_dtypes.bfloat16)
    return value.detach().numpy()


def to_torch(value):
    import torch

    value = np.asarray(value)
    if value.dtype.name == "bfloat16":
        return torch.from_numpy(np.array(value, np.float32)).bfloat16()
    return torch.from_numpy(np.array(value))


def adapted(f):
    """`f` on tensors, without the arguments that ours do not have if they are not used."""

    def with_tensors(*args, **kwargs):
        for name in ("size_average", "reduce", "_stacklevel"):
            kwargs.pop(name, None)
        args = [to_numpy(value) for value in args]
        return to_torch(f(*args, **{k: to_numpy(v) for k, v in kwargs.items()}))

    return with_tensors


def compare(actual, expected):
    import torch

    torch.testing.assert_close(actual, expected.detach(), equal_nan=True)


def operator_cases(functions):
    """Sample inputs of operators, each with the operator's own result."""
    from torch.testing._internal.common_methods_invocations import op_db

    for op in op_db:
        name = op.name.removeprefix("nn.functional.")
        if name not in functions:
            continue
        for dtype in sorted(op.supported_dtypes("cpu"), key=str):
            label = f"{op.name} {op.variant_test_name} {dtype}"
            if str(dtype) in EXCLUDED:
                yield label, None, str(dtype)
                continue
            for i, sample in enumerate(op.reference_inputs("cpu", dtype)):
                args, kwargs = (sample.input, *sample.args), sample.kwargs or {}

                def case(f=functions[name], op=op, args=args, kwargs=kwargs):
                    actual = f(*args, **kwargs)
                    compare(actual, op(*args, **kwargs))

                yield f"{label} {i}", case, None


def module_cases(functions):
    """Inputs of modules with references, and inputs that they must refuse."""
    from torch.testing._internal.common_modules import module_db

    for info in module_db:
        name = info.module_cls.__name__
        if MODULES.get(name) not in functions:
            continue
        for dtype in info.dtypes:
            given = dict(device="cpu", dtype=dtype, requires_grad=False, training=False)
            for i, sample in enumerate(info.module_inputs_func(info, **given)):
                case = functools.partial(module_case, info, sample)
                yield f"{name} {dtype} {i} {sample.desc}", case, None
            errors = info.module_error_inputs_func
            for i, sample in enumerate(errors(info, **given) if errors else ()):
                case = functools.partial(module_refuses, info, sample)
                yield f"{name} {dtype} error {i}", case, None


def build(info, sample):
    made = sample.constructor_input
    return info.module_cls(*made.args, **made.kwargs)


def module_case(info, sample):
    import torch

    module, given = build(info, sample), sample.forward_input
    with ours_inside():
        actual = module(*given.args, **given.kwargs)
    if actual.dtype == torch.float16:
        expected = module(*given.args, **given.kwargs)
    else:
        expected = sample.reference_fn(module, *given.args, **given.kwargs)
    compare(actual, expected)


def module_refuses(info, sample):
    wrong, message = sample.module_error_input, "nothing raised"
    given = wrong.forward_input
    with ours_inside():
        try:
            build(info, wrong)(*given.args, **given.kwargs)
        except sample.error_type as error:
            message = str(error)
    assert re.search(sample.error_regex, message), message


def older_cases(functions):
    """The tests of common_nn.py: a constructor, an input, and mostly a reference."""
    from torch.testing._internal import common_nn

    pattern = {"softmax": "^softmax_", "log_softmax": "^log_softmax_", "nll_loss": "^NLLLoss",
               "kl_div": "^KLDivLoss",
               "binary_cross_entropy_with_logits": "^BCEWithLogitsLoss"}  # fmt: skip
    pattern = "|".join(pattern[name] for name in functions if name in pattern)
    with ours_inside():  # they take functions from torch.nn.functional while they are made
        patched = common_nn.get_new_module_tests()
    plain = common_nn.get_new_module_tests()
    criteria = [(test, test) for test in common_nn.criterion_tests]
    for test, same in [*zip(patched, plain, strict=True), *criteria]:
        name = test.get("fullname") or ""
        if not pattern or not re.match(pattern, name):
            continue
        if name in EXCLUDED:
            yield name, None, name
        else:
            yield name, functools.partial(older_case, test, same), None


def older_case(test, same):
    import torch

    with torch.random.fork_rng():
        default = torch.get_default_dtype()
        torch.set_default_dtype(test.get("default_dtype", default))
        try:
            args = [make_input(test)]
            if "target_fn" in test:
                args.append(test["target_fn"]())
            module = test["constructor"]()
            with ours_inside():
                actual = module(*args)
            if "reference_fn" in test:
                expected = test["reference_fn"](*args, same["constructor"]())
            else:  # softmax has none there: the function itself
                expected = same["constructor"]()(*args)
        finally:
            torch.set_default_dtype(default)
    compare(actual, expected)


def make_input(test):
    import torch

    if "input_fn" in test:
        return test["input_fn"]()
    return test["input"] if "input" in test else torch.randn(test["input_size"])


INSIDE = {}


@contextlib.contextmanager
def ours_inside():
    """Our functions in place of PyTorch's, in torch.nn.functional."""
    with contextlib.ExitStack() as stack:
        for name, f in INSIDE.items():
            stack.enter_context(mock.patch(f"torch.nn.functional.{name}", f))
        yield


def run(broken):
    import torch

    functions = {name: getattr(ours, name) for name in FUNCTIONS}
    if broken:
        name = broken.split(":")[0]
        functions = {name: BROKEN[broken](functions[name])}
    functions = {name: counted(name, adapted(f)) for name, f in functions.items()}
    INSIDE.clear()
    INSIDE.update({name: f for name, f in functions.items() if name != "logsumexp"})
    tally = Tally()
    torch.manual_seed(0)
    random.seed(0)
    for cases in (operator_cases, module_cases, older_cases):
        for name, case, excluded in cases(functions):
            if case is None:
                tally.exclude(name, EXCLUDED, excluded)
            else:
                tally.check(name, case)
    return tally


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # PyTorch's own, on deprecated arguments
    report(run, BROKEN, EXCLUDED)
