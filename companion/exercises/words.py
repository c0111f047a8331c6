"""What the checker itself says: results and sentences that belong to no single exercise."""

import re
import traceback

import numpy as np

from companion.exercises.result import Result, State
from companion.exercises.running import close, in_one_line
from companion.exercises.says import say

PASSED = "{count} checks passed."
SINGLE = "Right to the seven digits of float32."
CHANGED = "Your function changes its argument. Work on a new array, the caller needs the old."
SET_A_NUMBER = "Set {name} to a number, then run again."
SET_A_LETTER = "Set {name} to a letter in quotes, then run again."
NO_NUMBER = "{name} could not be read as a number."
ONE_OF = "{name} must be one of {options}, in quotes."
BESIDE_A_LETTER = ("option", "answer", "letter", "is")  # words that people write with it
MOST_SHOWN = 16  # numbers in the arguments of a call that is printed
FOLDERS = re.compile(r"""(?<![\w.])(?:[A-Za-z]:)?[/\\]+(?:[^\s/\\'"]+[/\\]+)+""")  # of a path
FRAMEWORKS = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
KINDS_OF_FORM = {
    "bool": "a bool",
    "bool (bool)": "a bool",
    "ndarray (bool)": "an array of bools",
    "EagerTensor": "a tensor of TensorFlow",
    "NoHistory": "a number without its history",
    "Parameter": "a tensor of PyTorch",
    "Tensor": "a tensor of PyTorch",
    "list": "a list",
    "tuple": "a tuple",
}
FORMS = {
    "list": "np.array(...) makes an array of a list.",
    "tuple": "np.array(...) makes an array of a tuple.",
    "bool": "a number is asked for.",
    "ndarray (bool)": "numbers are asked for.",
    "bool (bool)": "a number is asked for.",
    "Tensor": "`.detach().numpy()` makes an array of a tensor of PyTorch.",
    "Parameter": "`.detach().numpy()` makes an array of a tensor of PyTorch.",
    "EagerTensor": "`.numpy()` makes an array of a tensor of TensorFlow.",
    "NoHistory": "no gradient can flow back from them to the logits, so nothing would learn: "
    "leave out `.item()`, `.detach()` and `no_grad()`, and return a tensor.",
}
NOT_YET_NUMBERS = {
    "coroutine": "Your function is a coroutine. Remove `async`, so that the call itself "
    "returns the numbers.",
    "generator": "Your function returns a generator, which has computed nothing yet. Collect "
    "its rows in a list and return np.array(...) of it: return, not yield.",
    "map": "Your function returns a map object, which has computed nothing yet. Return "
    "np.array(list(...)) of it.",
    "zip": "Your function returns a zip object, which has computed nothing yet. Return "
    "np.array(list(...)) of it.",
}


def our_fault(error):
    """A fault of the checker, with what a report needs: the error, and where it arose."""
    return Result(
        State.COULD_NOT_JUDGE,
        say(
            "The checker itself failed ({error}). This says nothing of your answer.",
            error=_for_a_report(error),
        ),
    )


def _for_a_report(error):
    """An error and our innermost line that it went through, without folders of this machine."""
    try:
        text = FOLDERS.sub("", in_one_line(error))
        lines = [
            f"; {name}, line {line}"
            for frame, line in traceback.walk_tb(error.__traceback__)
            if (name := frame.f_globals["__name__"]).startswith("companion.")
        ]
        return text + "".join(lines[-1:])
    except Exception:  # nothing may fail here, whatever the error is
        return type(error).__name__


def raised(text, line=None, code=None):
    """What an error of the reader's code says, and where it arose.

    Examples
    --------
    >>> raised("ZeroDivisionError: division by zero", 3, "return x / 0")
    ZeroDivisionError: division by zero in line 3: "return x / 0".
    """
    if not text:
        return say("An exception whose text cannot be read.")
    if line is None:
        return say("{error}.", error=text)
    if code is None:
        return say("{error} in line {line}.", error=text, line=line)
    return say('{error} in line {line}: "{code}".', error=text, line=line, code=code)


def framework_is_missing(framework):
    """An exercise about a framework that cannot be imported."""
    name = FRAMEWORKS[framework]
    return Result(
        State.COULD_NOT_JUDGE,
        say("This exercise is about {framework}, which is not installed.", framework=name),
    )


def cannot_be_called(error):
    """A look at the answer raised, before any call."""
    return Result(
        State.NOT_YET,
        say("This object cannot be looked at ({error}). Give a plain function.", error=error),
    )


def fill_in(name):
    """The stub as it was."""
    return Result(
        State.NOT_ATTEMPTED, say("Fill in {name}, then run this cell again.", name=name)
    )


def needs_the_function(name):
    """A result in place of the function."""
    return Result(
        State.NOT_YET,
        say(
            "check() needs the function itself, not its result: write check({name}).", name=name
        ),
    )


def not_finished(seconds, left_behind):
    """A time-out."""
    said = [say("Your function had not finished after {seconds:g} seconds.", seconds=seconds)]
    said.append(say("Is there a loop that never ends?"))
    if left_behind:
        said.append(say("It could not be stopped either: restart the kernel."))
    return Result(State.NOT_YET, tuple(said))


def returned_none(printed):
    """Nothing came back."""
    said = [say("Your function returned None. Is the return missing?")]
    if printed:
        said.append(say("print() shows a value, return hands it back."))
    return Result(State.NOT_YET, tuple(said))


def right_numbers_in(form):
    """All numbers are right, but not of a kind that others can compute with."""
    return say(
        "The numbers are right, but they come as {form}: {mend}",
        form=say(KINDS_OF_FORM[form]),
        mend=say(FORMS[form]),
    )


def takes_a_shortcut(call):
    """Of "softmax of companion", which does the work."""
    name, _, library = str(call).partition(" of ")
    call = say("{name} of {library}", name=name, library=library)
    return say("It uses {call}, which does the work. Build it without.", call=call)


def come_in(form):
    """A remark beside what is wrong."""
    kind = say(KINDS_OF_FORM[form])
    return say("They come as {form}, too: {mend}", form=kind, mend=say(FORMS[form]))


def difference(exercise, task, outcomes, right):
    """The first call that differs, printed small, and how many do."""
    at = right.index(False)
    args, got, want = task.calls[at], outcomes[at], task.wanted[at]
    most = MOST_SHOWN if _same_shapes(got, want) else 0  # where shapes tell, shapes
    shown = _call(exercise.name, args, most)
    if want.raised:
        return (
            say(
                "{call} must raise {error}; it returned a value.", call=shown, error=want.raised
            ),
        )
    if got.values is None:
        return (_no_numbers(shown, got.returned, exercise),)
    seen = _first_difference(exercise, shown, got, want)
    wrong = right.count(False)
    if wrong == 1 and at == len(right) - 1 and exercise.fresh is not None:
        return seen, say("Only the fresh random check differs (seed {seed}).", seed=task.seed)
    return seen, say("{wrong} of {all} checks differ.", wrong=wrong, all=len(right))


def _no_numbers(shown, returned, exercise):
    if returned in NOT_YET_NUMBERS:
        return say(NOT_YET_NUMBERS[returned])
    wanted = say("a NumPy array of real numbers")
    if exercise.parts:
        wanted = say("a tuple of {count} arrays ({names})", count=len(exercise.parts),
                     names=", ".join(exercise.parts))  # fmt: skip
    text = "{call} returned an object of type {kind}; return {wanted}."
    return say(text, call=shown, kind=returned, wanted=wanted)


def _first_difference(exercise, shown, got, want):
    names = exercise.parts or ("",)
    near = exercise.rtol, exercise.atol
    for name, mine, theirs in zip(names, got.values, want.values, strict=True):
        call = say("{part} of {call}", part=name, call=shown) if name else shown
        if mine.shape != theirs.shape:
            return say(
                "{call} has shape {got}; expected shape {wanted}.",
                call=call, got=mine.shape, wanted=theirs.shape,
            )  # fmt: skip
        differs = ~close(mine, theirs, *near)
        if differs.any():
            place = tuple(int(i) for i in np.argwhere(differs)[0])
            gives, expected = apart(mine[place], theirs[place])
            where = say(" at {place}", place=place) if place else ""
            return say(
                "{call} gives {got}{where}; expected {wanted}.",
                call=call, got=gives, where=where, wanted=expected,
            )  # fmt: skip
    raise AssertionError("outcomes that differ agree")


def apart(got, want):
    """Both numbers as text, with as many digits as it takes to tell them apart.

    Examples
    --------
    >>> apart(0.1, 0.10000001)
    ('0.1', '0.10000001')
    """
    for digits in (6, 9, 12, 17):
        texts = f"{float(got):.{digits}g}", f"{float(want):.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def _same_shapes(got, want):
    pairs = zip(got.values or (), want.values or (), strict=False)
    return all(mine.shape == theirs.shape for mine, theirs in pairs)


def _call(name, args, most):
    """A call as text, with arrays of at most `most` numbers in all printed whole."""
    size = sum(arg.size for arg in args if isinstance(arg, np.ndarray))
    values = {f"arg{i}": _short(arg, size > most) for i, arg in enumerate(args)}
    listed = say(", ".join(f"{{{value}}}" for value in values), **values)
    return say("{name}({args})", name=name, args=listed)


def _short(arg, only_shape):
    if isinstance(arg, np.ndarray):
        if only_shape:
            return say("array of shape {shape}", shape=arg.shape)
        text = np.array2string(arg, precision=4, separator=", ", floatmode="maxprec")
        return " ".join(text.split())
    return getattr(arg, "__name__", None) or repr(arg)


def must_be_a_number(name, kind):
    """No number at all."""
    return Result(
        State.NOT_YET,
        say(
            "{name} must be one real number; got an object of type {kind}.",
            name=name,
            kind=kind,
        ),
    )


def form_of_number(name, kind):
    """How to hand over a number that came in a shell."""
    if kind == "number":
        return ()
    if kind == "str":
        return (say("{name} is text. Take the quotes away.", name=name),)
    if kind in ("list", "tuple"):
        return (
            say(
                "{name} is a {kind} of one number. Take it out: {name}[0].",
                name=name,
                kind=kind,
            ),
        )
    return (
        say(
            "{name} is an array or tensor of one number: {name}.item() takes it out.", name=name
        ),
    )


def too_large_or_small(got, right):
    """A number that no mistake explains."""
    if np.isnan(got):
        return say("nan is no number.")
    side = say("large") if got > right else say("small")
    return say(
        "{got} is too {side}. Three digits are compared.", got=apart(got, right)[0], side=side
    )


def ended_its_process(status):
    """The process of a submission is gone, without a report."""
    how = say("exit status {status}", status=status)
    if status is not None and status < 0:
        how = say("signal {number}", number=-status)
    text = "The code ended its own process ({how}), or needed more memory than it may."
    return Result(State.NOT_YET, say(text, how=how))


def spoiled_report():
    """A submission has written where only the worker writes."""
    text = "What its process reported cannot be read: the code has written into the report."
    return Result(State.NOT_YET, say(text))
