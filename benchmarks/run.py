"""`make bench`: every measurement, side by side on this machine, into a table and a figure.

Writes `companion/book/measured.json`, from which the chapter *One pass* takes its numbers, and
`benchmarks/results.md` and `benchmarks/results.png`.
"""

import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks import accuracy, linear, report
from companion.book import measured as stored

ROOT = Path(__file__).resolve().parent.parent
MEASURED = Path(stored.__file__).with_suffix(".json")
# Large results take new pages from the system, and zeroing those costs more than computing.
# "kept" lets a process keep what it has freed, so that all contenders write to warm memory;
# "default" is what the C library does unless told.
MEMORY = {
    "kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)},
    "default": {},
}
PACKAGES = ("numpy", "scipy", "numba", "torch", "tensorflow", "jax")


def environment(threads, memory):
    """Every library has a switch of its own for the number of threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    eigen = "false" if threads == 1 else "true"
    return (
        os.environ
        | dict.fromkeys((*names, "TF_NUM_INTRAOP_THREADS"), str(threads))
        | {"TF_NUM_INTEROP_THREADS": "1", "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen}"}
        | quiet
        | MEMORY[memory]
    )


def records(module, threads, memory, *arguments):
    """What a module measures in one setting, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        cwd=ROOT,
        env=environment(threads, memory),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    if run.returncode:
        raise SystemExit(f"benchmarks.{module} failed with {threads} threads.")
    return [json.loads(line) for line in run.stdout.splitlines()]


def times(threads, memory):
    """All times of one setting."""
    found = records("measure", threads, memory, str(threads), memory)
    return [record | {"memory": memory} for record in found]


def first_line(path, key):
    """What a file of the system says after `key`, or nothing."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")


def machine():
    """The machine in words, without its name."""
    cpu = first_line("/proc/cpuinfo", "model name") or platform.processor()
    caches = []
    for index in (2, 3):
        path = Path(f"/sys/devices/system/cpu/cpu0/cache/index{index}/size")
        if path.exists():
            caches.append(f"L{index} {path.read_text(encoding='utf-8').strip()}")
    simd = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    installed = [name for name in PACKAGES if importlib.util.find_spec(name)]
    versions = {name: importlib.metadata.version(name) for name in installed}
    return {
        "date": date.today().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "caches": ", ".join(caches),
        "vectors": simd[-1],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def main():
    """Measure, and write the three files."""
    measured = {"machine": machine(), "times": []}
    for memory in MEMORY:
        for threads in (1, 2):
            print(f"times: {threads} thread(s), memory {memory}", flush=True)
            measured["times"] += times(threads, memory)
    print("a linear layer with its loss", flush=True)
    measured["linear"] = linear.measure_all()
    print("other shapes", flush=True)
    measured["shapes"] = records("shapes", 2, "kept")
    print("operations in the cache, errors", flush=True)
    measured["parts"] = records("parts", 1, "kept")
    measured["errors"] = accuracy.all_errors()
    MEASURED.write_text(report.compact(measured), encoding="utf-8")
    measured = stored.load()  # as it is stored, rounded
    (ROOT / "benchmarks" / "results.md").write_text(report.tables(measured), encoding="utf-8")
    report.figure(measured, ROOT / "benchmarks" / "results.png")
    print(report.tables(measured))
    print("see benchmarks/results.md and benchmarks/results.png")


if __name__ == "__main__":
    main()
