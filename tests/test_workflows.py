"""The workflows: actions pinned by commit, rights no wider than needed, targets that exist."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")


def steps(text):
    for job in yaml.safe_load(text)["jobs"].values():
        yield from job["steps"]


def faults(text):
    workflow = yaml.safe_load(text)
    if workflow.get("permissions") != {"contents": "read"}:
        yield "the workflow may do more than read"
    for name, job in workflow["jobs"].items():
        if "timeout-minutes" not in job:
            yield f"{name} has no time limit"
    for step in steps(text):
        if not PINNED.fullmatch(step.get("uses", "a/b@" + "0" * 40)):
            yield f"{step['uses']} is not pinned by a commit"


def test_there_are_workflows():
    assert [file.stem for file in FILES] == ["pages", "test", "weekly"]


@each_file
def test_actions_are_pinned_and_rights_are_least(file):
    assert list(faults(file.read_text())) == []


@each_file
def test_what_is_run_exists(file):
    targets = set(re.findall(r"^([\w./ -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = {name for line in targets for name in line.split()}
    for step in steps(file.read_text()):
        for command in re.findall(r"^make ([\w./]+)", step.get("run", ""), re.MULTILINE):
            assert command in known
        for test in re.findall(r"tests/\w+\.py", step.get("run", "")):
            assert (ROOT / test).exists()


PLANTED = {
    "a tag": ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5"),
    "all rights": ("contents: read", "contents: write"),
    "no time limit": ("    timeout-minutes: 30\n", ""),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault):
    old, new = PLANTED[fault]
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    assert old in text
    assert list(faults(text.replace(old, new)))
