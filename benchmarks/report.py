"""What was measured, as data, as tables, as a figure, and beside the aims."""

import json
from functools import partial
from itertools import product

import numpy as np

from benchmarks.contenders import CONTENDERS, OURS, TASKS

AIM_SHAPES = ((4096, 1000), (256, 50257))
DTYPES = ("float32", "float64")
MEMORY = ("kept", "default")
LARGE_AIMS = (
    ("logsumexp", "SciPy", "fast", 5),
    ("logsumexp", "PyTorch", "fast", 1),
    ("softmax", "SciPy", "fast", 2),
    ("softmax", "PyTorch", "compiled", 1),
)


def compact(measured):
    """JSON with one line per record, columns named once, three digits of each number."""
    parts = [f'"machine": {json.dumps(measured["machine"])}']
    for kind in ("times", "errors", "linear", "shapes", "parts"):
        records = measured[kind]
        columns = list(records[0])
        rows = ",\n".join(json.dumps([_short(r[c]) for c in columns]) for r in records)
        parts.append(f'"{kind}": {{"columns": {json.dumps(columns)}, "rows": [\n{rows}]}}')
    return "{" + ",\n".join(parts) + "}\n"


def _short(value):
    if isinstance(value, float):
        return float(f"{value:.3g}")
    return [_short(v) for v in value] if isinstance(value, list) else value


def in_words(machine):
    """One line about the machine."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['caches']}, "
        f"{machine['vectors']}; "
        f"{machine['system']}; Python {machine['python']}, {versions}; {machine['date']}."
    )


def _find(records, **wanted):
    return [r for r in records if wanted.items() <= r.items()]


def _time(seconds, shape):
    """Small arrays by the call, large ones by the entry."""
    entries = shape[0] * shape[1]
    return f"{seconds * 1e6:.3g} µs" if entries < 10**4 else f"{seconds / entries * 1e9:.2f} ns"


def tables(measured):
    """All of it, in Markdown."""
    lines = ["# Measured", "", in_words(measured["machine"]), ""]
    lines += [
        "Medians of rounds in which each contender had its turn. Small arrays: per call; large "
        "ones: per entry. *copy* moves the bytes of logits and result and computes nothing. "
        "*Memory kept*: a process keeps what it has freed, so nobody waits for new pages. "
        "*Default*: as the C library does unless told.",
        "",
    ]
    for memory, task in [*product(MEMORY[:1], TASKS), (MEMORY[1], TASKS[-1])]:
        lines += [f"## {task}, memory {memory}", "", *_time_table(measured, task, memory), ""]
    for task in ("softmax", "log_softmax", "logsumexp"):
        lines += [f"## Errors of {task} in ulps: largest (mean)", ""]
        lines += [*_error_table(measured, task), ""]
    lines += ["## A linear layer with its loss, float32, two threads", "", *_linear(measured)]
    lines += ["", "## Other shapes, two threads: ms, and times SciPy's", "", *_shapes(measured)]
    lines += ["", "## What softmax is made of, one thread, ns per entry", ""]
    lines += ["Operations on a block in the cache; then arrays of 4096 × 1000.", ""]
    lines += [*_parts(measured)]
    lines += ["", "## Beside the aims", ""]
    lines += [
        "These aims were set before anything was measured. Each line has a quotient of two "
        "medians, and what it should have been: how many times as fast ours is as the other, "
        "or where *at most* is said, how many times as long it takes.",
        "",
        "```text",
        targets(measured),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def _time_table(measured, task, memory):
    records = _find(measured["times"], task=task, memory=memory)
    names = [name for name in CONTENDERS if _find(records, name=name)]
    yield _row(["shape", "dtype", "threads", *names])
    yield _row(["---"] * (3 + len(names)))
    keys = dict.fromkeys((tuple(r["shape"]), r["dtype"], r["threads"]) for r in records)
    for shape, dtype, threads in sorted(keys, key=lambda k: (k[0][0] * k[0][1], k)):
        found = _find(records, shape=list(shape), dtype=dtype, threads=threads)
        by_name = {r["name"]: _time(r["seconds"], shape) for r in found}
        first = [f"{shape[0]} × {shape[1]}", dtype, str(threads)]
        yield _row(first + [by_name.get(name, "") for name in names])


def _error_table(measured, task):
    records = _find(measured["errors"], task=task)
    names = list(dict.fromkeys(r["name"] for r in records))
    yield _row(["dtype", "R", *names])
    yield _row(["---"] * (2 + len(names)))
    for dtype, R in dict.fromkeys((r["dtype"], r["R"]) for r in records):
        by_name = {r["name"]: r for r in _find(records, dtype=dtype, R=R)}
        cells = [f"{by_name[n]['max']:.3g} ({by_name[n]['mean']:.2g})" for n in names]
        yield _row([dtype, str(R), *cells])


def _linear(measured):
    yield _row(["N, D, V", "way", "seconds", "MB beyond the arguments", "of these results"])
    yield _row(["---"] * 5)
    for r in measured["linear"]:
        size = ", ".join(map(str, r["size"]))
        needed, results = (f"{r[key] / 1e6:.0f}" for key in ("bytes", "bytes of results"))
        yield _row([size, r["way"], f"{r['seconds']:.3g}", needed, results])


def _shapes(measured):
    names = list(dict.fromkeys(r["name"] for r in measured["shapes"]))
    yield _row(["logits", "dtype", "task", *names])
    yield _row(["---"] * (3 + len(names)))
    keys = dict.fromkeys((r["case"], r["dtype"], r["task"]) for r in measured["shapes"])
    for case, dtype, task in keys:
        found = _find(measured["shapes"], case=case, dtype=dtype, task=task)
        times = {r["name"]: r["seconds"] for r in found}
        cells = [f"{t * 1e3:.1f} ({t / times['SciPy']:.2f})" for t in times.values()]
        yield _row([case, dtype, task, *cells])


def _parts(measured):
    names = list(dict.fromkeys(r["operation"] for r in measured["parts"]))
    yield _row(["dtype", *names])
    yield _row(["---"] * (1 + len(names)))
    for dtype in DTYPES:
        found = _find(measured["parts"], dtype=dtype)
        yield _row([dtype, *(f"{r['seconds'] * 1e9:.2f}" for r in found)])


def figure(measured, path):
    """Loss and gradient of the two large shapes, per entry, with the copy as a line."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from companion.book.plotting import BLUE, GREY, ORANGE, book_style

    book_style()
    fig, axes = plt.subplots(2, 2, figsize=(9, 7.5), sharey=True)
    names = [name for name in CONTENDERS if name != "copy"][::-1]
    for ax, (shape, threads) in zip(axes.flat, product(AIM_SHAPES, (1, 2)), strict=True):
        wanted = {
            "shape": list(shape),
            "threads": threads,
            "memory": "kept",
            "dtype": "float32",
        }
        records = _find(measured["times"], task=TASKS[-1], **wanted)
        times = {r["name"]: r["seconds"] / np.prod(shape) * 1e9 for r in records}
        shown = [name for name in names if name in times]
        colors = [BLUE if name in OURS else GREY for name in shown]
        bars = ax.barh(shown, [times[name] for name in shown], color=colors)
        ax.bar_label(bars, fmt="%.2f", padding=3)
        ax.axvline(times["copy"], color=ORANGE, linestyle="--")
        ax.set(title=f"{shape[0]} × {shape[1]}, {threads} thread{'s' * (threads > 1)}")
        ax.set_xlabel("ns per entry; dashed: a copy of the bytes")
        ax.margins(x=0.15)
    fig.suptitle("Loss and gradient, float32, memory kept")
    fig.savefig(path)
    plt.close(fig)


def targets(measured):
    """What was aimed at, and what it came to: one line for each setting."""
    find = partial(_seconds, measured["times"])
    lines = [*_large_targets(find), *_small_targets(find), *_shape_targets(measured["shapes"])]
    return "\n".join(
        f"{'met   ' if (ratio >= aim) == at_least else 'MISSED'} "
        f"{ratio:6.2f} ({'at least' if at_least else 'at most'} {aim}): {text}"
        for text, ratio, aim, at_least in lines
    )


def _seconds(records, name, task, shape, dtype, threads, memory="kept"):
    wanted = {"shape": list(shape), "dtype": dtype, "threads": threads, "memory": memory}
    return next(r["seconds"] for r in _find(records, name=name, task=task, **wanted))


def _large_targets(find):
    gradient = TASKS[-1]
    rivals = [n for n in CONTENDERS if n.startswith(("TensorFlow", "JAX"))]
    for memory, shape, dtype, threads in product(MEMORY, AIM_SHAPES, DTYPES, (1, 2)):
        setting = (shape, dtype, threads, memory)
        where = f"{shape[0]} × {shape[1]}, {dtype}, {threads} thread(s), memory {memory}"
        fast = find("one_pass.fast, out=", gradient, *setting)
        compiled = find("one_pass.compiled, out=", gradient, *setting)
        torch = find("PyTorch", gradient, *setting)
        best = min(find(name, gradient, *setting) for name in rivals)
        yield f"loss and gradient, PyTorch / fast, {where}", torch / fast, 2, True
        yield f"loss and gradient, PyTorch / compiled, {where}", torch / compiled, 6, True
        yield f"loss and gradient, TensorFlow or JAX / fast, {where}", best / fast, 1, True
        if threads == 2:
            copy = find("copy", gradient, *setting)
            yield f"loss and gradient, compiled / copy, {where}", compiled / copy, 1.2, False
        for task, rival, module, aim in LARGE_AIMS if memory == MEMORY[0] else ():
            ratio = find(rival, task, *setting) / find(f"one_pass.{module}", task, *setting)
            yield f"{task}, {rival} / {module}, {where}", ratio, aim, True


def _shape_targets(records):
    for ours in _find(records, name="companion"):
        setting = {key: ours[key] for key in ("case", "dtype", "task")}
        (scipy,) = _find(records, name="SciPy", **setting)
        where = f"{ours['task']}, {ours['case']}, {ours['dtype']}"
        yield f"ours / SciPy, {where}", ours["seconds"] / scipy["seconds"], 1.3, False


def _small_targets(find):
    for shape, dtype, task in product(((1, 10), (128, 10)), DTYPES, TASKS):
        setting = (task, shape, dtype, 1)
        where = f"{task}, {shape[0]} × {shape[1]}, {dtype}"
        ours = find("one_pass.fast" if task == TASKS[-1] else "companion", *setting)
        yield (
            f"ours / NumPy, plainly, {where}",
            ours / find("NumPy, plainly", *setting),
            2,
            False,
        )
        if task != TASKS[-1]:
            yield f"SciPy / ours, {where}", find("SciPy", *setting) / ours, 1, True
