"""The figures that a reader can move show the numbers that the package computes.

The real inputs of the built pages are set in the browser, and what is shown is read back.
"""

import functools
import json
import re

import numpy as np
import pytest
from test_browser import Visit

import companion
from companion import naive

# Printed with three decimals: half of the last one, and a little for the sliders' steps.
SHOWN = 0.0006
FIGURES = {
    "logits": "derivation",
    "temperature": "derivation",
    "overflow": "numerical_stability",
    "gradients": "mse_vs_cross_entropy",
    "teacher": "distillation",
}


@pytest.fixture(scope="module", params=["light", "dark"])
def context(chromium, request):
    context = chromium.new_context(
        viewport={"width": 360, "height": 800}, color_scheme=request.param
    )
    yield context
    context.close()


class Figure:
    """One figure of a page: set its sliders, read its numbers."""

    def __init__(self, html, context, name):
        self.visit = Visit(context, html / "chapters" / f"{FIGURES[name]}.html")
        self.box = self.visit.page.locator(f'.interactive[data-figure="{name}"]')

    def set(self, **values):
        for label, value in values.items():
            slider = self.box.get_by_label(label.replace("_", " "), exact=False)
            slider.evaluate(
                "(s, v) => { s.value = v; s.dispatchEvent(new Event('input')); }", value
            )

    def bars(self):
        return np.array([float(t) for t in self.box.locator("text.value").all_text_contents()])

    def heights(self):
        bars = self.box.locator("rect.bar").all()
        return np.array([float(bar.get_attribute("height")) for bar in bars])

    def numbers(self):
        text = self.box.locator("p[aria-live]").text_content()
        return [float(n) for n in re.findall(r"-?\d+\.\d+", text)]


@pytest.fixture(scope="module")
def figure_of(html, context):
    """`figure_of(name)`: a figure, on a page that is opened once for all tests."""
    return functools.cache(lambda name: Figure(html, context, name))


def rounded(rng, low, high, step, size):
    """Numbers that a slider can be set to."""
    return np.round(rng.uniform(low, high, size=size) / step) * step


def test_logits_and_shift(figure_of):
    figure, rng = figure_of("logits"), np.random.default_rng(0)
    for _ in range(10):
        z, shift = rounded(rng, -5, 5, 0.1, 4), rounded(rng, -50, 50, 1, 1)[0]
        settings = {f"logit_{name}": value for name, value in zip("abcd", z, strict=True)}
        figure.set(**settings, added_to_all=shift)
        np.testing.assert_allclose(figure.bars(), companion.softmax(z), atol=SHOWN)
        np.testing.assert_allclose(figure.heights(), 105 * companion.softmax(z), atol=1e-6)
        assert figure.numbers() == pytest.approx([companion.logsumexp(z + shift)], abs=SHOWN)


def test_temperature_and_entropy(figure_of):
    figure, z = figure_of("temperature"), np.array([2.0, 1.0, -0.5, 0.3])
    for log in (-1.5, -1, -0.3, 0, 0.5, 1, 2):
        figure.set(log10_of_T=log)
        probs = companion.softmax(z / 10**log)
        np.testing.assert_allclose(figure.bars(), probs, atol=SHOWN)
        wanted = [10**log, companion.entropy(probs), np.log(4)]
        assert figure.numbers() == pytest.approx(wanted, abs=SHOWN)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_exp_overflows_as_in_numpy(figure_of, dtype):
    figure = figure_of("overflow")
    figure.box.locator("select").select_option(dtype)
    for offset in (0, 9, 10, 60, 88, 100, 700, 708, 800, -8, -16, -50, -103, -200, -744, -800):
        figure.set(added_to_all=offset)
        cells = figure.box.locator("td").all_text_contents()
        shown = np.array(cells, dtype=float).reshape(3, 5)
        z = (np.array([2, 1, 0]) + offset).astype(dtype)
        with np.errstate(all="ignore"):
            wanted = [z, np.exp(z), naive.softmax(z), np.exp(z - z.max()), companion.softmax(z)]
        # Shown with three digits; a float16 has hardly more, and one ulp of a subnormal is
        # 100 % of it.
        tiny = 2 * float(np.finfo(dtype).smallest_subnormal)
        np.testing.assert_allclose(shown, np.array(wanted, float).T, rtol=7e-3, atol=tiny)


def test_the_teachers_answers_at_a_temperature(figure_of):
    figure = figure_of("teacher")
    cases = json.loads(figure.box.get_attribute("data-cases"))
    assert len(cases) == 3
    for k, case in enumerate(cases):
        figure.box.locator("select").select_option(str(k))
        ink = [
            float(r.get_attribute("fill-opacity"))
            for r in figure.box.locator(".digit rect").all()
        ]
        np.testing.assert_allclose(np.array(ink) * 16, case["pixels"])
        for log in (0, 0.3, 0.6, 1.3, 2):
            figure.set(log10_of_T=log)
            probs = companion.softmax(np.array(case["logits"]) / 10**log)
            np.testing.assert_allclose(figure.bars(), probs, atol=0.006)  # two decimals
            wanted = [10**log, *np.sort(probs)[:-3:-1]]
            assert figure.numbers() == pytest.approx(wanted, abs=SHOWN)


def test_gradients_of_both_losses(figure_of):
    figure, rng = figure_of("gradients"), np.random.default_rng(0)
    target = np.array([1.0, 0, 0])
    for first, second in rounded(rng, -8, 8, 0.05, (10, 2)):
        figure.set(logit_of_class_1=first, logit_of_class_2=second)
        z = np.array([0, first, second])
        lengths = [
            np.linalg.norm(gradient(z, target))
            for gradient in (
                companion.softmax_cross_entropy_grad,
                companion.softmax_squared_error_grad,
            )
        ]
        wanted = [*companion.softmax(z), *lengths]
        assert figure.numbers() == pytest.approx(wanted, abs=SHOWN)


def test_the_prediction_can_be_dragged(figure_of):
    figure = figure_of("gradients")
    figure.box.scroll_into_view_if_needed()
    area = figure.box.locator("svg").bounding_box()
    scale = area["width"] / 320  # the drawing is 320 units wide
    mouse = figure.visit.page.mouse
    for x, y, wanted in [(160, 165, [1 / 3] * 3), (95, 127.5, [0.5, 0, 0.5])]:
        mouse.move(area["x"] + x * scale, area["y"] + y * scale)
        mouse.down()
        mouse.up()
        assert figure.numbers()[:3] == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize("name", FIGURES)
def test_the_keyboard_moves_it(figure_of, name):
    figure = figure_of(name)
    figure.box.locator("input").first.focus()
    figure.visit.page.keyboard.press("Home")  # another test may have left it at its end
    before = figure.box.text_content()
    for _ in range(10):
        figure.visit.page.keyboard.press("ArrowRight")
    assert figure.box.text_content() != before


def test_a_wrong_number_would_be_seen(html, context, tmp_path):
    # The script of the page with one sign turned: these tests must fail on it.
    script = (html / "_static" / "interactive.js").read_text(encoding="utf-8")
    broken = script.replace("Math.exp((x - largest) / T)", "Math.exp((largest - x) / T)")
    assert broken != script
    page = context.new_page()
    page.set_content('<div class="interactive" data-figure="temperature"></div>')
    page.add_script_tag(content=broken)
    shown = [float(t) for t in page.locator("text.value").all_text_contents()]
    assert not np.allclose(shown, companion.softmax([2, 1, -0.5, 0.3]), atol=SHOWN)


@pytest.mark.parametrize("name", FIGURES)
def test_without_scripts_the_sentence_stands(html, chromium, name):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((html / "chapters" / f"{FIGURES[name]}.html").as_uri())
    assert "On the web page" in page.locator(f'.interactive[data-figure="{name}"]').text_content()
    context.close()


def test_only_pages_with_a_figure_load_the_script(html):
    for page in (html / "chapters").glob("*.html"):
        loads = "interactive.js" in page.read_text(encoding="utf-8")
        assert loads == (page.stem in FIGURES.values()), page.name
