"""The command line: `python -m companion.exercises list` and `check FILE ...`.

    python -m companion.exercises list
    python -m companion.exercises check work/ --json results.json --points points.toml

Ends with 0 if all is right, 1 if not, 2 if something could not be judged.
"""

import argparse
import json
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

from companion.exercises import TOPICS
from companion.exercises.judge import MEMORY, TIMEOUT, exercises_of, judge
from companion.exercises.result import State

ALL_RIGHT, NOT_ALL, COULD_NOT = 0, 1, 2


def main(arguments=None):
    """Run a command.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the process, if left out.

    Returns
    -------
    int
        0 all right, 1 not all, 2 could not be judged.
    """
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a check mark must not end it on any terminal
            stream.reconfigure(errors="replace")
    try:
        return options.run(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return COULD_NOT


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m companion.exercises",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="list | check")
    listing = commands.add_parser("list", help="all exercises, with minutes")
    listing.add_argument("--topic", action="append", help="only this chapter")
    listing.set_defaults(run=_list)
    check = commands.add_parser("check", help="judge notebooks, scripts, folders")
    check.add_argument("paths", nargs="+", metavar="FILE", help=".ipynb, .py, or a folder")
    check.add_argument("--topic", action="append", default=[], help="chapter; may be repeated")
    check.add_argument("--json", type=Path, metavar="OUT", help="write results as JSON")
    check.add_argument("--junit", type=Path, metavar="OUT", help="write results as JUnit XML")
    check.add_argument("--markdown", type=Path, metavar="OUT", help="append a table")
    check.add_argument(
        "--points", type=Path, metavar="FILE.toml", help="only these exercises; add up points"
    )
    check.add_argument("--seed", type=int, help="of the fresh random calls")
    check.add_argument("--timeout", type=float, default=TIMEOUT, metavar="SECONDS",
                       help="for each exercise (default %(default)g)")  # fmt: skip
    check.add_argument("--memory", type=float, default=MEMORY, metavar="GIB",
                       help="address space of a submission (default %(default)g)")  # fmt: skip
    check.set_defaults(run=_check)
    return parser


def _list(options):
    for topic in options.topic or TOPICS:
        for e in exercises_of(topic).values():
            print(f"{e.key:42} {e.kind:10} {e.minutes:3} min  {e.trains}")
    return ALL_RIGHT


def _check(options):
    points = _points(options.points)
    results = judge(
        *options.paths, topics=options.topic, only=points, seed=options.seed,
        timeout=options.timeout, memory=options.memory,
    )  # fmt: skip
    if not results:
        raise ValueError("nothing to judge: no exercise of the points file is in these files.")
    several = len({result.file for result in results}) > 1
    for result in results:
        where = f"{result.file}: " if several else ""
        print(f"{where}{result.exercise}: {result}")
    summary = _summary(results, points)
    print(_in_words(summary))
    if options.json:
        data = summary | {"results": [result.as_dict() for result in results]}
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if options.junit:
        _junit(results).write(options.junit, encoding="utf-8", xml_declaration=True)
    if options.markdown:
        with options.markdown.open("a", encoding="utf-8") as file:
            file.write(_markdown(results, summary))
    if any(result.state is State.COULD_NOT_JUDGE for result in results):
        return COULD_NOT
    return ALL_RIGHT if all(results) else NOT_ALL


def _points(path):
    """From "topic.name" to points, or None without a file."""
    if path is None:
        return None
    try:
        points = tomllib.loads(path.read_text(encoding="utf-8"))["points"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise ValueError(
            f'{path} must have a table [points] with lines like "derivation.softmax" = 2; '
            f"{type(error).__name__}: {error}."
        ) from None
    for key, value in points.items():
        topic, _, name = key.rpartition(".")
        if name not in exercises_of(topic):
            raise ValueError(f"{path}: there is no exercise {key!r}.")
        if type(value) not in (int, float) or value < 0:
            raise ValueError(f"{path}: points of {key!r} must be a number >= 0; got {value!r}.")
    return points


def _summary(results, points):
    right = {result.exercise for result in results if result}
    keys = {result.exercise for result in results}
    summary = {"seed": results[0].seed, "correct": sum(map(bool, results)), "of": len(results)}
    if points is not None:
        summary |= {"points": sum(points[key] for key in right)}
        summary |= {"of_points": sum(points[key] for key in keys)}
    return summary


def _in_words(summary):
    text = f"{summary['correct']} of {summary['of']} correct"
    if "points" in summary:
        text += f", {summary['points']:g} of {summary['of_points']:g} points"
    return f"{text} (seed {summary['seed']})."


def _markdown(results, summary):
    rows = [
        f"| {result.exercise} | {result.state.value} | {_in_a_cell(result.message)} |"
        for result in results
    ]
    head = ["| exercise | | |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows, "", _in_words(summary), ""])


def _in_a_cell(text):
    for sign in "\\|<>[]`*_":
        text = text.replace(sign, f"\\{sign}")
    return _printable(text)


def _junit(results):
    suite = ET.Element("testsuite", name="companion.exercises", tests=str(len(results)))
    kinds = {State.COULD_NOT_JUDGE: "error", State.NOT_ATTEMPTED: "skipped"}
    failures = 0
    for result in results:
        case = ET.SubElement(suite, "testcase", classname=result.file, name=result.exercise)
        if not result:
            kind = kinds.get(result.state, "failure")
            failures += kind == "failure"
            ET.SubElement(case, kind, message=_printable(str(result)))
    suite.set("failures", str(failures))
    suite.set("errors", str(sum(r.state is State.COULD_NOT_JUDGE for r in results)))
    suite.set("skipped", str(sum(r.state is State.NOT_ATTEMPTED for r in results)))
    return ET.ElementTree(suite)


def _printable(text):
    return "".join(c if c.isprintable() else " " for c in text)


if __name__ == "__main__":
    sys.exit(main())
