"""What `diagnose` says: findings, as data that prints well."""

import html
import textwrap
from dataclasses import dataclass

WIDTH = 76  # columns of what is printed, so that it fits beside a page's margin
SURE = ("certain", "likely", "possible")  # in this order they are told


@dataclass(frozen=True)
class Finding:
    """One thing that looks wrong.

    Parameters
    ----------
    kind : str
        A key of `companion.diagnose._kinds.KINDS`.
    sure : {"certain", "likely", "possible"}
        "certain": nothing else that is known here gives these numbers.
    evidence : str
        The numbers that led to it.
    mend : str
        What to do.
    see : str
        "Chapter: section of the book".

    Examples
    --------
    >>> print(Finding("sum", "certain", "8 is 4 · 2.", "Take the mean.", "Derivation"))
    sum (certain): 8 is 4 · 2.
      Mend: Take the mean.
      See: Derivation
    """

    kind: str
    sure: str
    evidence: str
    mend: str
    see: str

    def __str__(self):
        lines = (
            f"{self.kind} ({self.sure}): {self.evidence}",
            f"  Mend: {self.mend}",
            f"  See: {self.see}",
        )
        return "\n".join(_folded(line) for line in lines)

    def _repr_html_(self):
        kind, sure, evidence, mend, see = map(html.escape, vars(self).values())
        return (
            f"<p><strong>{kind}</strong> ({sure}): {evidence}<br>"
            f"<em>Mend:</em> {mend}<br><em>See:</em> {see}</p>"
        )


def _folded(line):
    return textwrap.fill(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False)


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """All that looks wrong, the most certain first. A sequence of findings.

    Parameters
    ----------
    findings : tuple of Finding
        None of them, if nothing looks wrong.
    seen : str
        What was looked at.

    Examples
    --------
    >>> Diagnosis((), "outputs (1, 3) float64, labels")
    Nothing looks wrong: outputs (1, 3) float64, labels.
    """

    findings: tuple
    seen: str

    def __post_init__(self):
        ordered = sorted(self.findings, key=lambda finding: SURE.index(finding.sure))
        object.__setattr__(self, "findings", tuple(ordered))

    @property
    def kinds(self):
        """The names of what was found."""
        return [finding.kind for finding in self.findings]

    @property
    def healthy(self):
        """Whether nothing was found."""
        return not self.findings

    def __len__(self):
        return len(self.findings)

    def __iter__(self):
        return iter(self.findings)

    def __getitem__(self, index):
        return self.findings[index]

    def __bool__(self):
        return True  # a diagnosis of nothing is one, too

    def __repr__(self):
        if self.healthy:
            return f"Nothing looks wrong: {self.seen}."
        return "\n".join([*map(str, self.findings), f"Looked at: {self.seen}."])

    def _repr_html_(self):
        if self.healthy:
            return f'<div class="diagnosis"><p>{html.escape(repr(self))}</p></div>'
        parts = "".join(finding._repr_html_() for finding in self.findings)
        seen = html.escape(self.seen)
        return f'<div class="diagnosis">{parts}<p>Looked at: {seen}.</p></div>'
