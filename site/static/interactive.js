// The figures that a reader can move. Each stands in a page as <div class="interactive"
// data-figure="name"> around a sentence that holds without scripts; the controls are put below it.
// Sliders are native inputs, so the keyboard works and screen readers name them. The numbers
// are those of the companion package: tests/test_interactive.py compares them.
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

  // Of each type: how it rounds, its spacing at 1, its largest number, its smallest with all
  // digits, the logarithm of half of its smallest; and for the slider its end, step and start.
  const TYPES = {
    float16: { round: float16, eps: 2 ** -10, largest: 65504, normal: 2 ** -14,
      nothing: -25 * Math.LN2, end: 20, step: 0.05, start: 10 },
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
    entropy: { name: "cross-entropy", loss: (a) => Math.log1p(Math.exp(a)), slope: sigmoid },
    squared: { name: "squared error", loss: (a) => 2 * sigmoid(a) ** 2,
      slope: (a) => 4 * sigmoid(a) ** 2 * sigmoid(-a) },
  };

  // Numbers as they are read.
  const written = (x) => (Number.isNaN(x) ? "nan" : Number.isFinite(x)
    ? String(Number(x.toPrecision(5))) : x > 0 ? "inf" : "-inf");
  const signed = (text) => text.replace(/-(?=\d)/g, "−"); // a minus is no hyphen
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
    const line = add(box, "p", { class: "task" }, `Task: ${task} `);
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
      if (done) tick.textContent = "✓ done";
      clearTimeout(waiting);
      waiting = setTimeout(() =>
        (live.textContent = signed(spoken) + (done ? " Task done." : "")), 300);
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
      button("reset", () => {
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
    add(svg, "text", { x: 320, y: 9, "text-anchor": "end", class: "note" }, "dashed: the start");
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

  // An arrow as one path: its head shrinks with it, so that a short one is not all head.
  function arrow([x, y], [toX, toY]) {
    const length = Math.hypot(toX - x, toY - y);
    if (length < 1) return "";
    const u = [(toX - x) / length, (toY - y) / length], head = Math.min(11, length / 2);
    const corner = (side) => `${toX - head * u[0] - side * 0.6 * head * u[1]} ` +
      `${toY - head * u[1] + side * 0.6 * head * u[0]}`;
    return `M${x} ${y}L${toX} ${toY}M${corner(1)}L${toX} ${toY}L${corner(-1)}`;
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

  // The figures.
  const figures = {
    logits(box) {
      const fig = frame(box, "Make b the favourite with one slider.");
      const names = [..."abcd"], scores = [2, 1, -0.5, 0.3];
      const draw = bars(fig.drawing, names, "Probabilities of four classes");
      const each = names.map((name, k) => fig.slider(`logit ${name}`, [-5, 5, 0.1, scores[k]],
        (x) => x.toFixed(1)));
      const shift = fig.slider("added to all", [-50, 50, 1, 0], (x) => x.toFixed(0));
      const put = (z) => () => each.forEach((s, k) => (s.value = z[k]));
      fig.button("all equal", put([0, 0, 0, 0]));
      fig.button("a is sure", put([5, -3, -3, -3]));
      fig.button("add 50 to all", setTo(shift, 50));
      fig.start(() => {
        const z = each.map((s) => s.value + shift.value), p = softmax(z);
        draw(p);
        const one = [...each, shift].filter((s) => s.value !== s.start).length === 1;
        return { said: `p = ${list(p)}, log-sum-exp ${logsumexp(z).toFixed(3)}`,
          done: one && favourite(p) === 1 };
      });
    },

    temperature(box) {
      const fig = frame(box, "Find the T at which the entropy is half of its maximum.");
      const z = [2, 1, -0.5, 0.3], most = Math.log(4);
      const draw = bars(fig.drawing, [..."abcd"], "Probabilities at this temperature");
      const meter = add(fig.drawing, "svg", { viewBox: "0 0 320 34", role: "img",
        "aria-label": "The entropy as a bar, from 0 to log 4" });
      add(meter, "path", { d: "M26 18H320V30H26Z", class: "frame" });
      const filled = add(meter, "rect", { x: 26, y: 18, height: 12, class: "entropy bar" });
      add(meter, "path", { d: "M173 14V34", class: "mark" });
      add(meter, "text", { x: 26, y: 11 }, "entropy");
      add(meter, "text", { x: 173, y: 11, "text-anchor": "middle" }, "half");
      add(meter, "text", { x: 320, y: 11, "text-anchor": "end" }, "log 4");
      // The slider is the logarithm of T: as much room for the cold as for the hot.
      const slide = fig.slider("temperature", [-3.3, 5, 0.02, 0],
        (x) => `T = ${(2 ** x).toFixed(2)}`);
      fig.button("T = 0.25", setTo(slide, -2));
      fig.button("T = 1", setTo(slide, 0));
      fig.button("T = 16", setTo(slide, 4));
      fig.start(() => {
        const T = 2 ** slide.value, p = softmax(z, T), H = entropy(p);
        draw(p);
        filled.setAttribute("width", 294 * H / most);
        return { said: `T = ${T.toFixed(3)}: p = ${list(p)}, entropy ${H.toFixed(3)} of at ` +
          `most ${most.toFixed(3)} nats`, done: Math.abs(H - most / 2) < 0.01 };
      });
    },

    overflow(box) {
      const fig = frame(box, "Find where the naive column first shows a wrong digit.");
      const [logits, exps, naive, shiftedExps, good] =
        table(fig.drawing, [], ["logit z", "exp(z)", "naive", "exp(z − max)", "shifted"]);
      const type = fig.choice("precision", Object.keys(TYPES).map((t) => [t, t]), "float32", retype);
      const offset = fig.slider("added to all", [-120, 120, 0.1, 88], (x) => written(x));
      const marks = add(fig.panel, "datalist", { id: "overflow-places" });
      offset.input.setAttribute("list", marks.id);
      const jumps = Array.from({ length: 4 }, (_, k) => fig.button("", () =>
        (offset.value = places[k])));
      let places, edges;

      // Of one place of the slider: what each column says, and which words go with it.
      function look(by, { round, eps, normal }) {
        const z = [2, 1, 0].map((x) => round(x + by));
        const first = stepByStep(z, round), truth = softmax(z);
        const second = stepByStep(z.map((x) => round(x - Math.max(...z))), round);
        // Four roundings explain four spacings. Beyond, and if it shows, a digit is wrong.
        const words = first.probs.map((p, k) => Number.isNaN(p) ? "no number"
          : written(p) !== written(round(truth[k])) && Math.abs(p - truth[k]) > 4 * eps * truth[k]
            ? "wrong" : "");
        const why = first.exps.map((e) => e === Infinity ? "overflow" : e === 0 ? "underflow"
          : e < normal ? "few digits" : "");
        return { z, first, second, words, why };
      }

      const errs = (by, t) => look(by, t).words.includes("wrong");

      // The first wrong place on the way up and on the way down.
      function findEdges(t) {
        return [1, -1].map((way) => {
          for (let k = 0; k * t.step <= t.end; k++)
            if (errs(way * k * t.step, t)) return way * k * t.step;
        });
      }

      // The slider and the places to jump to follow the type: the largest logit passes the
      // largest exponential, the smallest one the digits, then the smallest float; then all do.
      function retype() {
        const t = TYPES[type.value];
        set(offset.input, { min: -t.end, max: t.end, step: t.step });
        offset.value = t.start;
        edges = findEdges(t);
        const past = (x) => Number((Math.sign(x) * Math.ceil(Math.abs(x) / t.step) * t.step).toFixed(2));
        const [top, digits] = [t.largest, t.normal].map(Math.log);
        places = [top - 2, digits, t.nothing, t.nothing - 2].map(past);
        const shown = [top, digits, t.nothing].map((x) => x.toFixed(2));
        [`exp overflows (${shown[0]})`, `digits go (${shown[1]})`, `exp is 0 (${shown[2]})`, "all are 0"]
          .forEach((text, k) => (jumps[k].textContent = signed(text)));
        marks.replaceChildren();
        for (const value of places) add(marks, "option", { value });
      }

      function fill(cells, values, words = []) {
        cells.forEach((cell, k) => {
          cell.replaceChildren();
          cell.className = words[k] ? "odd" : "";
          add(cell, words[k] ? "b" : "span", {}, signed(written(values[k])));
          if (words[k]) add(cell, "small", {}, words[k]);
        });
      }

      retype();
      fig.start(() => {
        const t = TYPES[type.value], { z, first, second, words, why } = look(offset.value, t);
        fill(logits, z);
        fill(exps, first.exps, why);
        fill(naive, first.probs, words);
        fill(shiftedExps, second.exps);
        fill(good, second.probs);
        const bad = (word) => words.filter((w) => w === word).length;
        const said = bad("no number") + bad("wrong") === 0 ? "The naive column is right."
          : `Naive: ${bad("no number")} of 3 are no number, ${bad("wrong")} wrong.`;
        const near = edges.some((edge) => Math.abs(offset.value - edge) <= t.end / 100);
        return { said, done: bad("wrong") > 0 && bad("no number") === 0 && near,
          spoken: `${said} Naive ${first.probs.map(written).join(", ")}; ` +
            `shifted ${second.probs.map(written).join(", ")}.` };
      }, retype);
    },

    teacher(box) {
      // What the teacher said about a few digits, put into the page by the chapter itself.
      const cases = JSON.parse(box.dataset.cases);
      const second = (logits, T) => softmax(logits, T).sort((a, b) => b - a)[1];
      // The task makes sense where the second digit climbs past 10 %; close ones only fall.
      const sure = cases.findIndex(({ logits }) => second(logits, 1) < 0.1 && second(logits, 20) > 0.1);
      const fig = frame(box, `For ${cases[sure].name}, find the largest T at which the second ` +
        "digit still has at most 10 %.");
      const image = add(fig.drawing, "svg", { viewBox: "0 0 8 8", role: "img", class: "digit" });
      const squares = cases[0].pixels.map((_, k) => add(image, "rect",
        { x: k % 8, y: Math.floor(k / 8), width: 1.02, height: 1.02 }));
      const draw = bars(fig.drawing, [..."0123456789"], "What the student is to match");
      const digit = fig.choice("digit", cases.map((c, k) => [k, c.name]), String(sure));
      const slide = fig.slider("temperature", [0, 4.4, 0.02, 2], (x) => `T = ${(2 ** x).toFixed(2)}`);
      fig.button("T = 1", setTo(slide, 0));
      fig.button("T = 4", setTo(slide, 2));
      fig.button("T = 16", setTo(slide, 4));
      fig.start(() => {
        const { name, pixels, logits } = cases[digit.value];
        image.setAttribute("aria-label", `8 by 8 pixels: ${name}`);
        pixels.forEach((ink, k) => squares[k].setAttribute("fill-opacity", ink / 16));
        const T = 2 ** slide.value, p = softmax(logits, T);
        draw(p);
        const [one, two] = [...p.keys()].sort((a, b) => logits[b] - logits[a]);
        return { said: `T = ${T.toFixed(3)}: first ${one} with ${p[one].toFixed(3)}, ` +
          `then ${two} with ${p[two].toFixed(3)}`,
        done: digit.value === String(sure) && p[two] <= 0.1 && p[two] > 0.0992 };
      });
    },

    gradients(box) {
      const fig = frame(box, "Drag the point to where squared error has hardly any slope left " +
        "although the prediction is wrong.");
      const corner = [[30, 240], [290, 240], [160, 15]];
      const place = (p) => [0, 1].map((i) => sum(p.map((x, k) => x * corner[k][i])));
      const svg = add(fig.drawing, "svg", { viewBox: "0 0 320 265", role: "group",
        "aria-label": "A triangle of predictions with a point that moves; its arrows are the " +
          "steps that the two losses ask of the logits" });
      add(svg, "path", { d: "M30 240H290L160 15Z", class: "frame" });
      ["target", "class 1", "class 2"].forEach((name, k) => add(svg, "text",
        { x: corner[k][0], y: corner[k][1] + (k < 2 ? 18 : -4), "text-anchor": "middle" }, name));
      const drawn = {};
      for (const [name, x, anchor] of [["squared", 320, "end"], ["entropy", 0, "start"]]) {
        const from = anchor === "end" ? 272 : 0;
        add(svg, "path", { d: arrow([from, 10], [from + 48, 10]), class: `arrow ${name}` });
        add(svg, "text", { x, y: 32, "text-anchor": anchor, class: name }, RACE[name].name);
        drawn[name] = { length: add(svg, "text", { x, y: 48, "text-anchor": anchor,
          class: `length ${name}` }), arrow: add(svg, "path", { class: `arrow ${name}` }) };
      }
      const ghost = add(svg, "circle", { r: 8, class: "ghost" });
      const dot = add(svg, "circle", { r: coarse ? 14 : 8, class: "dot", tabindex: 0, role: "slider",
        "aria-label": "prediction, moved by the arrow keys", "aria-valuemin": 0, "aria-valuemax": 1 });
      const [first, second] = [[1, 2], [2, 0.5]].map(([k, start]) =>
        fig.slider(`logit of class ${k}`, [-8, 8, 0.05, start], (x) => x.toFixed(2)));
      const put = (a, b) => () => {
        first.value = a;
        second.value = b;
      };
      fig.button("all equal", put(0, 0));
      fig.button("nearly right", put(-3, -4));
      fig.button("between 1 and 2", put(4, 4));

      // From the place in the triangle to probabilities to logits.
      function moveTo(x, y) {
        const top = (240 - y) / 225, right = (x - 30 - 130 * top) / 260;
        const p = [1 - top - right, right, top].map((v) => Math.max(v, 3e-4));
        put(Math.log(p[1] / p[0]), Math.log(p[2] / p[0]))();
        fig.refresh();
      }
      draggable(svg, dot, moveTo);
      const ARROWS = { ArrowLeft: [-6, 0], ArrowRight: [6, 0], ArrowUp: [0, -6], ArrowDown: [0, 6] };
      dot.addEventListener("keydown", (event) => {
        const by = ARROWS[event.key];
        if (!by) return;
        event.preventDefault();
        const [x, y] = ["cx", "cy"].map((key) => Number(dot.getAttribute(key)));
        moveTo(x + by[0], y + by[1]);
      });

      fig.start(() => {
        const z = [0, first.value, second.value], p = softmax(z), [cx, cy] = place(p);
        set(dot, { cx, cy, "aria-valuenow": p[0].toFixed(3), "aria-valuetext": `p = ${list(p)}` });
        if (!ghost.hasAttribute("cx")) set(ghost, { cx, cy });
        const lengths = {};
        for (const [name, g] of Object.entries(gradients(z, [1, 0, 0]))) {
          const end = place(p.map((value, k) => value - 0.45 * g[k]));
          lengths[name] = Math.hypot(...g);
          drawn[name].arrow.setAttribute("d", arrow([cx, cy], end));
          drawn[name].length.textContent = lengths[name].toFixed(3);
        }
        return { said: `p = ${list(p)}; gradient of cross-entropy ${lengths.entropy.toFixed(3)}, ` +
          `of squared error ${lengths.squared.toFixed(3)}`,
        done: lengths.squared < 0.05 && favourite(p) !== 0 };
      });
    },
  };

  Object.assign(figures, { step, race });

  // The step of a difference: the loss near the point, magnified to the size of the step, and
  // the errors of three slopes. Below, what a check of each loss says at each point.
  function step(box) {
    const fig = frame(box, "Find a loss that is wrong although its check passes.");
    const near = add(fig.drawing, "svg", { viewBox: "0 0 320 150", role: "img" });
    add(near, "text", { x: 0, y: 10 }, "loss around the point");
    // An inner drawing, which cuts off what leaves it.
    const inner = add(near, "svg", { x: 0, y: 18, width: 320, height: 132, viewBox: "-160 -66 320 132" });
    add(inner, "path", { d: "M-160 0H160M0 -66V66", class: "grid" });
    const lines = {};
    for (const name of ["tangent", "curve", "secant"])
      lines[name] = add(inner, "path", { class: `line ${name}` });
    const nothing = add(inner, "text", { x: 0, y: -8, "text-anchor": "middle" });
    const ends = [add(inner, "circle", { r: 4, class: "end" }), add(inner, "circle", { r: 4, class: "end" })];
    const key = add(fig.drawing, "p", { class: "key" });
    for (const [name, text] of [["curve", "loss"], ["tangent", "true slope"], ["secant", "central secant"]])
      add(key, "span", { class: name }, text);

    const WAYS = { onesided: "one-sided", central: "central", complex: "complex step" };
    const far = add(fig.drawing, "svg", { viewBox: "0 0 320 190", role: "img",
      "aria-label": "Relative error of the slope against the step, for three ways to measure it" });
    const powers = (from, to, by) => Array.from({ length: (to - from) / by + 1 },
      (_, k) => [from + k * by, `1e${from + k * by}`]);
    const [X, Y] = axes(far, { left: 40, right: 312, top: 18, bottom: 150, x: [-15, -1], y: [-17, 1],
      xTicks: powers(-15, -1, 2).filter((_, k) => k % 2 === 1), yTicks: powers(-16, 0, 4),
      names: ["step h", "relative error of the slope"] });
    const errors = Object.keys(WAYS).map((name) => ({ name,
      line: add(far, "path", { class: `line ${name}` }),
      dot: add(far, "circle", { r: 4.5, class: name }) }));
    const here = add(far, "path", { class: "mark" });
    const cells = table(fig.drawing, ["step h", "error"], Object.values(WAYS));
    cells.forEach(([cell]) => cell.previousSibling.classList.add("way"));

    const slide = fig.slider("step", [-15, -1, 0.25, -12], (x) => `h = ${(10 ** x).toExponential(1)}`);
    const chosen = { loss: "right", point: "z" };
    add(fig.panel, "p", { class: "caption" }, "Does a check with this step pass?");
    const verdicts = table(fig.panel, Object.keys(POINTS), Object.keys(LOSSES)).flatMap((row, i) =>
      row.map((cell, k) => {
        const at = { loss: Object.keys(LOSSES)[i], point: Object.keys(POINTS)[k] };
        return { ...at, node: fig.button("", () => Object.assign(chosen, at), cell) };
      }));
    for (const power of [-2, -5, -12]) fig.button(`h = 1e${power}`, setTo(slide, power));

    const relative = (slope, wanted) => Math.max(Math.abs(slope / wanted - 1), 1e-17);

    function magnify(f, z, h, slope) {
      const at = (by) => f(real(moved(z, 0, by)))[0], middle = at(0);
      const unit = 100 / h, tall = 45 / (h * slope); // the secant has its ends at ±100
      const x = (by) => by * unit, y = (by) => -(at(by) - middle) * tall;
      const points = Array.from({ length: 321 }, (_, k) => (k - 160) / 100 * h)
        .map((by) => [x(by), y(by)]).filter((point) => point.every(Number.isFinite));
      lines.curve.setAttribute("d", path(points));
      lines.tangent.setAttribute("d", path([[-160, 72], [160, -72]]));
      const [a, b] = [[-100, y(-h)], [100, y(h)]], tilt = (b[1] - a[1]) / 200;
      const known = Number.isFinite(tilt);
      lines.secant.setAttribute("d", known ? path([[-160, a[1] - 60 * tilt], [160, b[1] + 60 * tilt]]) : "");
      [a, b].forEach(([cx, cy], k) => set(ends[k], { cx, cy: known ? cy : 999 }));
      nothing.textContent = known ? "" : `the loss here is ${written(middle)}`;
    }

    function drawErrors(f, z, h, slope) {
      const power = slide.value, grid = Array.from({ length: 57 }, (_, k) => -15 + k / 4);
      const all = grid.map((p) => slopes(f, z, 10 ** p)), now = slopes(f, z, h), shown = {};
      errors.forEach(({ name, line, dot }, k) => {
        const points = grid.map((p, i) => [p, Math.log10(relative(all[i][name], slope))])
          .filter(([, error]) => Number.isFinite(error)).map(([p, error]) => [X(p), Y(error)]);
        line.setAttribute("d", path(points));
        const error = shown[name] = relative(now[name], slope);
        set(dot, { cx: X(power), cy: Number.isFinite(error) ? Y(Math.log10(error)) : 999 });
        cells[k][0].textContent = signed(h.toExponential(1));
        cells[k][1].textContent = signed(Number.isFinite(error) ? error.toExponential(1) : "no number");
      });
      here.setAttribute("d", `M${X(power)} 18V150`);
      return shown;
    }

    function judge(h) {
      for (const { loss, point, node } of verdicts) {
        const good = passes(LOSSES[loss], POINTS[point], h);
        const pressed = loss === chosen.loss && point === chosen.point;
        node.textContent = good ? "✓ passes" : "✗ fails";
        node.className = good ? "good" : "bad";
        set(node, { "aria-pressed": pressed, "aria-label":
          `${loss}, ${point}: ${good ? "passes" : "fails"}` });
      }
    }

    fig.start(() => {
      const h = 10 ** slide.value, f = LOSSES[chosen.loss], z = POINTS[chosen.point];
      const slope = trueSlopes(z)[0];
      near.setAttribute("aria-label", `The loss at ${chosen.point}, magnified to steps of ${h}`);
      magnify(f, z, h, slope);
      const error = drawErrors(f, z, h, slope);
      judge(h);
      const good = passes(f, z, h), wrong = chosen.loss !== "right";
      const digits = Number.isFinite(error.central) ? error.central.toExponential(1) : "no number";
      return { said: `h = ${h.toExponential(1)}: error of the central slope ${digits}. The check of ` +
        `${wrong ? `“${chosen.loss}”` : "the right loss"} at ${chosen.point} ${good ? "passes" : "fails"}` +
        (wrong ? good ? ", although that loss is wrong." : "." : good ? "." : ", although the loss is right."),
      done: wrong && good };
    }, () => Object.assign(chosen, { loss: "right", point: "z" }));
  }

  // Two balls on two curves: gradient steps from one start.
  function race(box) {
    const fig = frame(box, "Find a start at which squared error needs more than a hundred times " +
      "the steps of cross-entropy to pass p = 0.5.");
    const svg = add(fig.drawing, "svg", { viewBox: "0 0 320 220", role: "img", "aria-label":
      "Both losses against the logit of the wrong class. Cross-entropy climbs, squared error " +
      "lies flat. On each a ball." });
    const [X, Y] = axes(svg, { left: 26, right: 312, top: 22, bottom: 178, x: [-8, 12], y: [0, 12],
      xTicks: [-8, -4, 0, 4, 8, 12].map((v) => [v, String(v)]), yTicks: [0, 2, 6, 12].map((v) => [v, String(v)]),
      names: ["logit a of the wrong class", "loss"] });
    for (const [a, name] of [[0, "p = 0.5"], [-Math.log(9), "0.9"]]) {
      add(svg, "path", { d: `M${X(a)} 34V178`, class: "mark" });
      add(svg, "text", { x: X(a) + (a ? -3 : 3), y: 44, "text-anchor": a ? "end" : "start" }, name);
    }
    const balls = Object.entries(RACE).map(([name, { loss }]) => {
      const curve = Array.from({ length: 101 }, (_, k) => -8 + k / 5).map((a) => [X(a), Y(loss(a))]);
      add(svg, "path", { d: path(curve), class: `line ${name}` });
      const ghost = add(svg, "circle", { r: 7, class: "ghost" });
      return { name, ghost, node: add(svg, "circle", { r: 7, class: `ball ${name}` }) };
    });
    add(svg, "text", { x: X(8.2), y: Y(9), "text-anchor": "end", class: "entropy" }, "cross-entropy");
    add(svg, "text", { x: X(11.8), y: Y(2.6), "text-anchor": "end", class: "squared" }, "squared error");
    const handle = add(svg, "circle", { r: coarse ? 14 : 7, cy: 178, class: "dot along" });

    const cells = table(fig.drawing, Object.values(RACE).map((r) => r.name),
      ["a now", "p now", "steps to p = 0.5", "steps to p = 0.9"]);
    const start = fig.slider("start a", [-2, 12, 0.1, 5], (x) => `a = ${x.toFixed(1)}`, restart);
    const rate = fig.slider("rate", [0.1, 2, 0.1, 1], (x) => x.toFixed(1), restart);
    draggable(svg, handle, (x) => {
      start.value = -8 + ((x - 26) / 286) * 20;
      restart();
      fig.refresh();
    });
    let state, rolling;

    // When p of the right class, 1 / (1 + e^a), has passed a mark, the number of steps is kept.
    function count(runner, steps) {
      const p = sigmoid(-runner.a);
      if (p >= 0.5) runner.half ??= steps;
      if (p >= 0.9) runner.most ??= steps;
    }

    function restart() {
      cancelAnimationFrame(rolling);
      state = { steps: 0, runners: Object.keys(RACE).map((name) => ({ name, a: start.value })) };
      for (const runner of state.runners) count(runner, 0);
      place(state.runners.map(({ a }) => a));
      balls.forEach(({ name, ghost }) => set(ghost, { cx: X(start.value), cy: Y(RACE[name].loss(start.value)) }));
      handle.setAttribute("cx", X(start.value));
    }

    const place = (at) => balls.forEach(({ name, node }, k) => {
      const a = Math.max(at[k], -8);
      set(node, { cx: X(a), cy: Y(RACE[name].loss(a)) });
    });

    function step() {
      state.steps += 1;
      for (const runner of state.runners) {
        runner.a -= rate.value * RACE[runner.name].slope(runner.a);
        count(runner, state.steps);
      }
    }

    // The numbers jump to the end at once; the balls roll there, unless the reader wants no motion.
    function run(steps) {
      cancelAnimationFrame(rolling);
      const way = [state.runners.map(({ a }) => a)];
      for (let k = 0; k < steps; k++) {
        step();
        way.push(state.runners.map(({ a }) => a));
      }
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return place(way.at(-1));
      const begin = performance.now(), lasting = Math.min(700, 150 * steps);
      const roll = (now) => {
        const part = Math.min(Math.max((now - begin) / lasting, 0), 1);
        place(way[Math.round(part * steps)]);
        if (part < 1) rolling = requestAnimationFrame(roll);
      };
      rolling = requestAnimationFrame(roll);
    }

    for (const steps of [1, 10, 100, 1000])
      fig.button(`run ${steps} step${steps > 1 ? "s" : ""}`, () => run(steps));
    fig.button("start at 8", () => (start.value = 8, restart()));
    restart();
    fig.start(() => {
      const shown = state.runners.map(({ a, half, most }) => [a.toFixed(3), sigmoid(-a).toFixed(3),
        String(half ?? "not yet"), String(most ?? "not yet")]);
      shown.forEach((column, k) => column.forEach((text, i) => (cells[i][k].textContent = signed(text))));
      const [entropy, squared] = state.runners;
      const p = state.runners.map(({ a }) => sigmoid(-a).toFixed(3));
      return { said: `After ${state.steps} steps p is ${p[0]} by cross-entropy, ${p[1]} by squared error.`,
        // It need not arrive for that: not to have arrived after so many is enough.
        done: (squared.half ?? state.steps) > 100 * entropy.half };
    }, restart);
  }

  for (const box of document.querySelectorAll(".interactive")) figures[box.dataset.figure]?.(box);
})();
