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
from companion.exercises.says import ENGLISH, say

ALL_RIGHT, NOT_ALL, COULD_NOT = 0, 1, 2


def _positive(text):
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0; got {text}")
    return number


PROGRAM = "python -m companion.exercises"
ABOUT = "The exercises of the book: a list of them, and a judge of answers."
EXAMPLES = """    {program} list
    {program} check work/ --json results.json --points points.toml"""
ENDS = "Ends with 0 if all is right, 1 if not, 2 if something could not be judged."
HELP = {
    "list": "all exercises, with minutes",
    "one topic": "only this chapter",
    "check": "judge notebooks, scripts, folders",
    "paths": ".ipynb, .py, or a folder",
    "topic": "chapter; may be repeated",
    "json": "write results as JSON",
    "junit": "write results as JUnit XML",
    "markdown": "append a table",
    "points": "only these exercises; add up points",
    "seed": "of the fresh random calls",
    "timeout": "for each exercise (default %(default)g)",
    "memory": "address space of a submission (default %(default)g)",
}
OPTIONS = {  # of check
    "topic": {"action": "append", "default": []},
    "json": {"type": Path, "metavar": "OUT"},
    "junit": {"type": Path, "metavar": "OUT"},
    "markdown": {"type": Path, "metavar": "OUT"},
    "points": {"type": Path, "metavar": "FILE.toml"},
    "seed": {"type": int},
    "timeout": {"type": _positive, "default": TIMEOUT, "metavar": "SECONDS"},
    "memory": {"type": _positive, "default": MEMORY, "metavar": "GIB"},
}
SUMMARY = "{correct} of {of} correct (seed {seed})."
WITH_POINTS = "{correct} of {of} correct, {points:g} of {of_points:g} points (seed {seed})."


def main(arguments=None, language=ENGLISH, program=PROGRAM):
    """Run a command.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the process, if left out.
    language : Language
        Of all that is printed, but for errors of use.
    program : str
        The name under which it was called.

    Returns
    -------
    int
        0 all right, 1 not all, 2 could not be judged.
    """
    options = _parser(language, program).parse_args(arguments)
    options.language = language
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a check mark must not end it on any terminal
            stream.reconfigure(errors="replace")
    try:
        return options.run(options)
    except (ValueError, OSError) as error:  # a file of results that cannot be written, too
        print(error, file=sys.stderr)
        return COULD_NOT


def _parser(language, program):
    parser = argparse.ArgumentParser(
        prog=program,
        description=f"{language(ABOUT)}\n\n{EXAMPLES.format(program=program)}\n\n{language(ENDS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="list | check")
    listing = commands.add_parser("list", help=language(HELP["list"]))
    listing.add_argument("--topic", action="append", help=language(HELP["one topic"]))
    listing.set_defaults(run=_list)
    check = commands.add_parser("check", help=language(HELP["check"]))
    check.add_argument("paths", nargs="+", metavar="FILE", help=language(HELP["paths"]))
    for name, settings in OPTIONS.items():
        check.add_argument(f"--{name}", help=language(HELP[name]), **settings)
    check.set_defaults(run=_check)
    return parser


def _list(options):
    for topic in options.topic or TOPICS:
        for e in exercises_of(topic).values():
            kind, trains = options.language(e.kind), options.language(e.trains)
            print(f"{e.key:42} {kind:10} {e.minutes:3} min  {trains}")
    return ALL_RIGHT


def _check(options):
    points = _points(options.points)
    results = judge(
        *options.paths, topics=options.topic, only=points, seed=options.seed,
        timeout=options.timeout, memory=options.memory, language=options.language,
    )  # fmt: skip
    if not results:
        raise ValueError("nothing to judge: no exercise of the points file is in these files.")
    several = len({result.file for result in results}) > 1
    for result in results:
        where = f"{result.file}: " if several else ""
        print(f"{where}{result.exercise}: {result}")
    summary = _summary(results, points)
    print(_in_words(summary, options.language))
    if options.json:
        data = summary | {"results": [result.as_dict() for result in results]}
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if options.junit:
        _junit(results).write(options.junit, encoding="utf-8", xml_declaration=True)
    if options.markdown:
        with options.markdown.open("a", encoding="utf-8") as file:
            file.write(_markdown(results, summary, options.language))
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


def _in_words(summary, language):
    return language(say(WITH_POINTS if "points" in summary else SUMMARY, **summary))


def _markdown(results, summary, language):
    rows = [
        f"| {result.exercise} | {result.head} | {_in_a_cell(result.message)} |"
        for result in results
    ]
    head = [f"| {language('exercise')} | | |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows, "", _in_words(summary, language), ""])


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
