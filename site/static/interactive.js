// What the figures that a reader can move are made of: the mathematics, and pieces to draw and to
// move. The figures themselves are in interactive_figures.js. The numbers are those of the
// companion package: tests/test_interactive.py compares them.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const sum = (x) => x.reduce((a, b) => a + b, 0);
  const coarse = matchMedia("(pointer: coarse)").matches;

  // The mathematics, on plain arrays.
  function softmax(z, T = 1) {
    const largest = Math.max(...z);
    const exps = z.map((x) => Math.exp((x - largest) / T));
    const total = sum(exps);
    return exps.map((e) => e / total);
  }

  function logsumexp(z) {
    const largest = Math.max(...z);
    return largest + Math.log(sum(z.map((x) => Math.exp(x - largest))));
  }

  const entropy = (p) => -sum(p.map((x) => (x > 0 ? x * Math.log(x) : 0)));
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const favourite = (p) => p.indexOf(Math.max(...p));

  function gradients(z, target) {
    const p = softmax(z);
    const error = p.map((x, k) => x - target[k]);
    const mean = sum(p.map((x, k) => x * 2 * error[k]));
    return { entropy: error, squared: p.map((x, k) => x * (2 * error[k] - mean)) };
  }

  // To the nearest float of a width, as NumPy rounds. Half precision has 11 bits and ends at
  // 65504; what would round to 65536 is infinite. Below 2**-14 the spacing stays 2**-24.
  function float16(x) {
    const size = Math.abs(x);
    if (!(size > 0 && size < Infinity)) return x;
    let exponent = Math.floor(Math.log2(size));
    if (2 ** exponent > size) exponent -= 1;
    const spacing = 2 ** (Math.max(exponent, -14) - 10);
    const steps = size / spacing, below = Math.floor(steps);
    const up = steps - below > 0.5 || (steps - below === 0.5 && below % 2 === 1);
    const rounded = (below + (up ? 1 : 0)) * spacing;
    return Math.sign(x) * (rounded >= 65536 ? Infinity : rounded);
  }

  // Of each type: how it rounds, within which other type the package computes, its spacing at 1,
  // its largest number, its smallest with all digits, the logarithm of half of its smallest; and
  // for the slider its end, step and start.
  const TYPES = {
    float16: { round: float16, within: Math.fround, eps: 2 ** -10, largest: 65504,
      normal: 2 ** -14, nothing: -25 * Math.LN2, end: 20, step: 0.05, start: 10 },
    float32: { round: Math.fround, eps: 2 ** -23, largest: (2 - 2 ** -23) * 2 ** 127,
      normal: 2 ** -126, nothing: -150 * Math.LN2, end: 120, step: 0.1, start: 88 },
    float64: { round: (x) => x, eps: 2 ** -52, largest: Number.MAX_VALUE, normal: 2 ** -1022,
      nothing: -1075 * Math.LN2, end: 800, step: 0.5, start: 709 },
  };

  function stepByStep(z, round) {
    const exps = z.map((x) => round(Math.exp(x)));
    const total = round(sum(exps));
    return { exps, probs: exps.map((e) => round(e / total)) };
  }

  // A few complex numbers, [real, imaginary], for the complex step. Without an imaginary part
  // they do what real ones do, to the last bit.
  const exp = ([x, y]) => (y ? [Math.exp(x) * Math.cos(y), Math.exp(x) * Math.sin(y)]
    : [Math.exp(x), 0]);
  const log = ([x, y]) => (y ? [Math.log(Math.hypot(x, y)), Math.atan2(y, x)] : [Math.log(x), 0]);
  const plus = (...all) => [sum(all.map((c) => c[0])), sum(all.map((c) => c[1]))];
  const minus = (a, b) => [a[0] - b[0], a[1] - b[1]];

  function over([a, b], [c, d]) {
    const ratio = d / c, size = c + d * ratio;
    return d ? [(a + b * ratio) / size, (b - a * ratio) / size] : [a / c, b / c];
  }

  const shifted = (z) => z.map(([x, y]) => [x - Math.max(...z.map((c) => c[0])), y]);
  function share(z) {
    const exps = z.map(exp);
    return over(exps[1], plus(...exps));
  }
  const minusLog = (p) => minus([0, 0], log(p));

  // One loss that is right and three that are not, for class 1, as in the chapter on derivatives.
  // The keys are shown: say("right"), say("no shift"), say("clip"), say("near 0"),
  // say("gap of 800").
  const LOSSES = {
    "right": (z) => minus(
      plus([Math.max(...z.map((c) => c[0])), 0], log(plus(...shifted(z).map(exp)))), z[1]),
    "log(p + 1e-12)": (z) => minusLog(plus(share(shifted(z)), [1e-12, 0])),
    "no shift": (z) => minusLog(share(z)),
    "clip": (z) => minusLog(clip(share(shifted(z)))),
  };
  const clip = (p) => (p[0] < 1e-12 ? [1e-12, 0] : p[0] > 1 ? [1, 0] : p);
  const POINTS = { "z": [0.5, -1, 2], "near 0": [0.5e-3, -1e-3, 2e-3], "gap of 800": [800, 0, 1] };

  const real = (z) => z.map((x) => [x, 0]);
  const moved = (z, k, by) => z.map((x, i) => (i === k ? x + by : x));
  const trueSlopes = (z) => softmax(z).map((p, k) => p - (k === 1 ? 1 : 0));

  // Three ways to measure the slope by the first logit.
  function slopes(f, z, h) {
    const at = (by) => f(real(moved(z, 0, by)))[0];
    const tilted = real(z);
    tilted[0] = [z[0], h];
    return { onesided: (at(h) - at(0)) / h, central: (at(h) - at(-h)) / (2 * h),
      complex: f(tilted)[1] / h };
  }

  // What np.allclose(numerical_gradient(f, z, h), softmax(z) - onehot, atol=1e-6) says.
  function passes(f, z, h) {
    return trueSlopes(z).every((wanted, k) => {
      const step = h * Math.max(1, Math.abs(z[k]));
      const at = (by) => f(real(moved(z, k, by)))[0];
      const measured = (at(step) - at(-step)) / (2 * step);
      return Math.abs(measured - wanted) <= 1e-6 + 1e-5 * Math.abs(wanted);
    });
  }

  // Two losses of the logits (0, a) where the first class is right, and their slopes.
  const RACE = {
    entropy: { name: say("cross-entropy"), loss: (a) => Math.log1p(Math.exp(a)), slope: sigmoid },
    squared: { name: say("squared error"), loss: (a) => 2 * sigmoid(a) ** 2,
      slope: (a) => 4 * sigmoid(a) ** 2 * sigmoid(-a) },
  };

  // Numbers as they are read.
  const written = (x, digits = 5) => (Number.isNaN(x) ? "nan" : Number.isFinite(x)
    ? String(Number(x.toPrecision(digits))) : x > 0 ? "inf" : "-inf");
  const signed = (text) => text.replace(/-(?=\d)/g, "−"); // a minus is no hyphen
  const power = (x) => x.toExponential(1).replace(".0e", "e");
  const list = (p, digits = 3) => `(${p.map((x) => x.toFixed(digits)).join(", ")})`;

  // Pieces of a figure.
  function add(parent, name, attributes = {}, text = "") {
    const inSvg = name === "svg" || parent.namespaceURI === SVG;
    const node = inSvg ? document.createElementNS(SVG, name) : document.createElement(name);
    set(node, attributes);
    node.textContent = text;
    parent.append(node);
    return node;
  }

  function set(node, attributes) {
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  }

  // What all figures have: a task with its tick, a drawing, a line that reads it out, controls,
  // buttons. Only one region is live, hidden, and spoken when the reader has paused.
  function frame(box, task) {
    const line = add(box, "p", { class: "task" }, say`Task: ${task} `);
    const tick = add(line, "span", { class: "tick" });
    const drawing = add(box, "div", { class: "stage" });
    const reading = add(box, "p", { class: "reading" });
    const panel = add(box, "div");
    const row = add(box, "div", { class: "buttons" });
    const live = add(box, "p", { class: "live", "aria-live": "polite" });
    const controls = [];
    let draw, waiting;

    function refresh(byReader = true) {
      const { said, spoken = said, done } = draw();
      reading.textContent = signed(said);
      if (!byReader) return;
      if (done) tick.textContent = say("✓ done");
      clearTimeout(waiting);
      waiting = setTimeout(() =>
        (live.textContent = signed(spoken) + (done ? say(" Task done.") : "")), 300);
    }

    function slider(name, [min, max, step, start], format, changed = () => {}) {
      const label = add(panel, "label");
      add(label, "span", {}, name);
      const input = add(label, "input", { type: "range", min, max, step, value: start });
      const shown = add(label, "span", { class: "shown", "aria-hidden": "true" });
      const control = { input, start, get value() { return Number(input.value); },
        set value(x) {
          input.value = x;
          control.show();
        },
        show() {
          const text = signed(format(control.value));
          shown.textContent = text;
          input.setAttribute("aria-valuetext", text);
        } };
      input.addEventListener("input", () => (control.show(), changed(), refresh()));
      control.show();
      controls.push(control);
      return control;
    }

    function choice(name, options, start, changed = () => {}) {
      const label = add(panel, "label", { class: "choice" });
      add(label, "span", {}, name);
      const select = add(label, "select");
      options.forEach(([value, text]) => add(select, "option", { value }, text));
      select.value = start;
      select.addEventListener("change", () => (changed(), refresh()));
      const control = { start, get value() { return select.value; },
        set value(x) { select.value = x; } };
      controls.push(control);
      return control;
    }

    function button(text, action, parent = row) {
      const made = add(parent, "button", { type: "button" }, signed(text));
      made.addEventListener("click", () => (action(), refresh()));
      return made;
    }

    // Draws for the first time. The last button takes all back, the tick too.
    function start(update, reset = () => {}) {
      draw = update;
      button(say("reset"), () => {
        for (const control of controls) control.value = control.start;
        tick.textContent = "";
        reset();
      });
      refresh(false);
    }

    return { drawing, reading, panel, slider, choice, button, start, refresh };
  }

  const setTo = (control, value) => () => (control.value = value);

  // Bars on an axis from 0 to 1. The first that are drawn stay as outlines.
  const TALL = 130, FLOOR = 150;
  function bars(parent, names, title) {
    const svg = add(parent, "svg", { viewBox: "0 0 320 168", role: "img", "aria-label": title });
    const width = 294 / names.length;
    for (const tick of [0, 0.5, 1]) {
      const y = FLOOR - TALL * tick;
      add(svg, "path", { d: `M26 ${y}H320`, class: "grid" });
      add(svg, "text", { x: 21, y: y + 4, "text-anchor": "end" }, String(tick));
    }
    const drawn = names.map((name, k) => {
      const x = 26 + k * width + width / 2;
      const place = { x: x - width * 0.35, width: width * 0.7 };
      add(svg, "text", { x, y: 165, "text-anchor": "middle" }, name);
      return { bar: add(svg, "rect", { ...place, class: "bar" }),
        ghost: add(svg, "rect", { ...place, class: "ghost" }),
        text: add(svg, "text", { x, "text-anchor": "middle", class: "value" }) };
    });
    add(svg, "text", { x: 318, y: 9, "text-anchor": "end", class: "note" },
      say("dashed: the start"));
    return (p) => p.forEach((x, k) => {
      const { bar, ghost, text } = drawn[k], place = { height: TALL * x, y: FLOOR - TALL * x };
      set(bar, place);
      if (!ghost.hasAttribute("y")) set(ghost, place);
      // Above the bar, or in the room under the note where the bar is high.
      text.setAttribute("y", Math.max(FLOOR - TALL * x - 4, 22));
      text.classList.toggle("inside", FLOOR - TALL * x - 4 < 22);
      text.textContent = x.toFixed(names.length > 6 ? 2 : 3); // as many as fit
    });
  }

  // Axes of a drawing: places of numbers, with ticks that are named.
  function axes(svg, { left, right, top, bottom, x, y, xTicks, yTicks, names }) {
    const X = (v) => left + ((v - x[0]) / (x[1] - x[0])) * (right - left);
    const Y = (v) => bottom - ((v - y[0]) / (y[1] - y[0])) * (bottom - top);
    add(svg, "path", { d: `M${left} ${top}V${bottom}H${right}`, class: "frame" });
    for (const [v, name] of xTicks) {
      add(svg, "path", { d: `M${X(v)} ${bottom}v4`, class: "frame" });
      add(svg, "text", { x: X(v), y: bottom + 16, "text-anchor": "middle" }, signed(name));
    }
    for (const [v, name] of yTicks)
      add(svg, "text", { x: left - 4, y: Y(v) + 4, "text-anchor": "end" }, signed(name));
    add(svg, "text", { x: right, y: bottom + 31, "text-anchor": "end" }, names[0]);
    add(svg, "text", { x: 0, y: top - 6 }, names[1]);
    return [X, Y];
  }

  const path = (points) => (points.length ? `M${points.map(([x, y]) =>
    `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}` : "");

  // An arrow. Its head shrinks with it, so that a short one is not all head.
  function arrow(parent, name) {
    const shaft = add(parent, "path", { class: `arrow ${name}` });
    const head = add(parent, "path", { class: `arrow head ${name}` });
    return ([x, y], [toX, toY]) => {
      const length = Math.hypot(toX - x, toY - y), size = Math.min(11, length / 2);
      const u = [(toX - x) / length, (toY - y) / length];
      const corner = (side) => [toX - size * u[0] - side * 0.6 * size * u[1],
        toY - size * u[1] + side * 0.6 * size * u[0]];
      const seen = length > 1;
      shaft.setAttribute("d", seen ? path([[x, y], [toX, toY]]) : "");
      head.setAttribute("d", seen ? path([corner(1), [toX, toY], corner(-1)]) : "");
    };
  }

  // A dot to take hold of. Only on it does a finger not scroll the page.
  function draggable(svg, dot, dragged) {
    const place = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(
      svg.getScreenCTM().inverse());
    let from = null;
    dot.addEventListener("pointerdown", (event) => {
      dot.setPointerCapture(event.pointerId);
      const { x, y } = place(event);
      from = [x - dot.getAttribute("cx"), y - dot.getAttribute("cy")];
    });
    dot.addEventListener("pointermove", (event) => {
      if (!from) return;
      const { x, y } = place(event);
      dragged(x - from[0], y - from[1]);
    });
    for (const end of ["pointerup", "pointercancel"])
      dot.addEventListener(end, () => (from = null));
  }

  // A table with the names of its rows at the left. Gives the cells, row by row.
  function table(parent, columns, rows) {
    const whole = add(parent, "table");
    if (columns.length) {
      const head = add(add(whole, "thead"), "tr");
      add(head, "td");
      for (const name of columns) add(head, "th", { scope: "col" }, name);
    }
    const body = add(whole, "tbody");
    return rows.map((name) => {
      const row = add(body, "tr");
      add(row, "th", { scope: "row" }, name);
      return Array.from({ length: columns.length || 3 }, () => add(row, "td"));
    });
  }

  window.interactive = {
    sum, softmax, logsumexp, entropy, sigmoid, favourite, gradients, TYPES, stepByStep, LOSSES,
    POINTS, real, moved, trueSlopes, slopes, passes, RACE, coarse, written, signed, power, list,
    add, set, frame, setTo, bars, axes, path, arrow, draggable, table };
})();
