"""What a translation must keep. Each fault is one sentence, with what was found.

Markdown is judged by the parser of the pages: `**预测。**半精度` looks bold and is not, and a
bare address swallows the Chinese words after it.
"""

import re
from collections import Counter

from tools.translation.messages import PARSER, ROOT

CHINESE = "\u3400-\u9fff"
CODE, FORMULA = re.compile(r"`[^`]*`"), re.compile(r"\$[^$]+\$")
ROLE = re.compile(r"\{[\w:]+\}`[^`]*`")
ADDRESS = re.compile(r"\]\([^)]*\)")
TERM = re.compile(r"\{term\}`(?:[^`<]*<)?([^`>]+?)>?`")
PLACEHOLDER = re.compile(r"\{\w*(?:[:!][^{}]*)?\}")
# What stands in plain sentences of the checker as code does, without the marks of code.
PLAIN_CODE = re.compile(
    r"[A-Za-z_][A-Za-z0-9_.]*\([^()]*\)|\b[A-Za-z0-9]+_[A-Za-z0-9_]+|[a-z]+=[A-Za-z0-9_.\[\]-]+"
    r"|\b[a-z]+\.[a-z][a-z_]+",
    re.ASCII,
)
# \w would take a Chinese character for a part of the number: ASCII only.
NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?!(?!s\b)[A-Za-z_0-9])"
)
SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9}
SCALES |= {"百": 2, "千": 3, "万": 4, "百万": 6, "亿": 8}
SCALED = re.compile(r"(\d[\d,.]*)[ -]?(hundred|thousand|million|billion|百万|百|千|万|亿)")
HALF_WIDTH = re.compile(
    rf"[{CHINESE}][,;:?!(]|[{CHINESE}]\.(?=[\s{CHINESE}]|$)|[,;:?!)][{CHINESE}]"
    rf"|\([{CHINESE}]"
)
TIGHT = re.compile(rf"[{CHINESE}][A-Za-z0-9]|[A-Za-z0-9%][{CHINESE}]")
# Markdown wants a space beside these, which nobody sees as one too many.
EMPHASIS_GAP = re.compile(r"([。？！：，；”）]\*+) | (?=\*+[“（])")
SIGNS = "，。；：、？！（）”"
WIDE_GAP = re.compile(rf"[{CHINESE}] [{CHINESE}]|[{SIGNS}“] | [{SIGNS}]")
GLOSS = re.compile(rf"^(\*\*[^*]*[{CHINESE}][^*]*\*\*) \(.*\)$")  # a phrase, and what it means
QUOTED = re.compile(r'"[^"]*"')
# A message of nothing but names is the same in both languages.
ONLY_NAMES = (
    "SciPy scikit-learn PyTorch TensorFlow Keras NumPy JAX Optax ONNX companion softmax "
    "log-softmax Softmax nan inf "
    "float16 float32 float64 bfloat16 logit exp log tanh lse max kB MB GB GitHub GitLab CI "
    "MIT BSD-3-Clause pytest torch tensorflow keras axis dim"
).split()
A_NAME = "|".join([*ONLY_NAMES, r"[\W\d_]|\b[A-Za-z]\b|`[^`]*`|\$[^$]*\$"])
NAMES = re.compile(f"(?:{A_NAME})+")
# These English words have everyday senses too, for which a translator uses other Chinese words.
EVERYDAY = {
    "accuracy", "argmax", "attention", "batch", "bit", "block", "cache", "clipping", "convex",
    "density", "epoch", "gradient tape", "kernel", "label", "log1p", "mask", "momentum", "nat",
    "one pass", "one-hot", "plateau", "register", "rounding", "saturation", "shard", "shift",
    "sigmoid", "state", "student", "surprise", "target", "teacher", "tensor", "thread", "token",
}  # fmt: skip


def shape(text):
    """What a Markdown text holds beside words, as the parser of the pages sees it.

    Examples
    --------
    >>> sorted(shape("**One** of `f` in $K$").elements())
    [('code_inline', 'f'), ('math_inline', 'K'), ('strong', '')]
    """
    found, tokens = Counter(), list(PARSER.parse(text))
    for token in tokens:
        tokens += token.children or []
        if token.type in ("code_inline", "math_inline", "html_inline", "html_block"):
            found[token.type, token.content] += 1
        elif token.type == "link_open":
            found["link", token.attrs["href"]] += 1
        elif token.type == "myst_role" and token.meta["name"] not in ("term", "index"):
            target = token.content.rpartition("<")[2]  # what is shown for it may differ
            found[token.meta["name"], target] += 1
        elif token.type in ("strong_open", "em_open"):
            found[token.type.partition("_")[0], ""] += 1
    return found


def numbers(text):
    """The numbers of a text outside code, formulas and addresses, by value.

    Examples
    --------
    >>> numbers("100 million of 10,000") == numbers("10,000 个里的 1 亿")
    True
    """
    text = ROLE.sub(" ", text)
    for hidden in (FORMULA, CODE, ADDRESS, PLACEHOLDER):
        text = hidden.sub(" ", text)
    found = [float(n.replace(",", "")) * 10.0 ** SCALES[s] for n, s in SCALED.findall(text)]
    text = SCALED.sub(" ", text)
    found += [float(n.replace(",", "").replace("−", "-")) for n in NUMBER.findall(text)]
    return Counter(found)


def glossary(path=ROOT / "chapters/glossary.md"):
    """The words of the glossary.

    Returns
    -------
    dict
        From each name, English or Chinese, to its entry: the first name.
    dict
        From each entry to its English names and to its Chinese names.
    """
    inside = path.read_text(encoding="utf-8").split("```{glossary}\n")[1].split("```")[0]
    entry_of, names_of = {}, {}
    for entry in inside.strip().split("\n\n"):
        names = [line for line in entry.split("\n") if not line.startswith("  ")]
        english = [name for name in names if " : " not in name]
        chinese = [name.partition(" : ")[0] for name in names if " : " in name]
        names_of[names[0]] = english, chinese
        entry_of |= dict.fromkeys([*english, *chinese], names[0])
    return entry_of, names_of


def _difference(kind, before, after):
    missing, extra = list((before - after).elements()), list((after - before).elements())
    if missing or extra:
        yield f"{kind}: missing {missing}, extra {extra}"


def faults(english, chinese, words, template=False):
    """One sentence per fault of a translation.

    Parameters
    ----------
    english, chinese : str
    words : tuple of dict
        From `glossary`.
    template : bool
        Whether it is a sentence of the checker: plain text with names in braces.
    """
    if not chinese:
        yield "untranslated"
        return
    if english == chinese:
        if not NAMES.fullmatch(english):
            yield "left in English"
        return
    if template:
        yield from _difference("placeholder", *_both(PLACEHOLDER, english, chinese))
        yield from _difference("code", *_both(PLAIN_CODE, english, chinese))
        yield from _difference("code", *_both(CODE, english, chinese))
    else:
        yield from _difference("shape", shape(english), shape(chinese))
    english = GLOSS.sub(r"\1", english)
    yield from _difference("number", numbers(english), numbers(chinese))
    yield from _terms(english, chinese, *words)
    yield from _typography(chinese)


def _both(pattern, *texts):
    return [Counter(pattern.findall(text)) for text in texts]


def _terms(english, chinese, entry_of, names_of):
    of_any_case = {name.lower(): entry for name, entry in entry_of.items()}
    linked = [
        Counter(of_any_case.get(t.lower(), t) for t in TERM.findall(s))
        for s in (english, chinese)
    ]
    yield from _difference("term", *linked)
    plain = ADDRESS.sub("]", CODE.sub(" ", FORMULA.sub(" ", ROLE.sub(" ", english))))
    for entry, (own, translated) in names_of.items():
        if entry in EVERYDAY:
            continue
        said = any(
            re.search(rf"(?<![\w-]){re.escape(n)}(?:s|es)?(?![\w-])", plain, re.I) for n in own
        )
        bare = re.sub("（.*?）| 函数$| 算法$| 损失$|法$", "", "|".join(translated)).split("|")
        if said and not any(n.lower() in chinese.lower() for n in [*bare, *own]):
            yield f"glossary: {entry!r} is {' or '.join(translated)}"


def seen(text):
    """A Markdown text about as it is seen: code and formulas are an x, roles what they show.

    Examples
    --------
    >>> seen("**用** {term}`上溢 <上溢>` 和 `f`")
    '用 上溢 和 x'
    """
    text = ROLE.sub(lambda role: _shown(role[0]), text)
    text = FORMULA.sub("x", CODE.sub("x", ADDRESS.sub("", text.replace(") [", ")|["))))
    text = EMPHASIS_GAP.sub(r"\1", PLACEHOLDER.sub("{}", text))
    return re.sub(r"<[^<>]+>|\*+|[\[\]]", "", text)


def _shown(role):
    name, _, content = role.removeprefix("{").partition("}`")
    return "x" if name.startswith(("cite", "ref")) else content.rstrip("`").partition(" <")[0]


def _typography(chinese):
    text = seen(chinese)
    if found := HALF_WIDTH.search(text):
        yield f"half-width punctuation beside Chinese: {found[0]!r}"
    for quoted in QUOTED.findall(text):
        if re.search(f"[{CHINESE}]", quoted):
            yield f"straight quotes around Chinese: {quoted}"
    if found := TIGHT.search(text):
        yield f"no space between Chinese and Latin: {found[0]!r}"
    if found := WIDE_GAP.search(text):
        yield f"a space too many: {found[0]!r}"
