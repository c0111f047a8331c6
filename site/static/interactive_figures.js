// The figures that a reader can move. Each stands in a page as <div class="interactive"
// data-figure="name"> around a sentence that holds without scripts; the controls are put below it.
// Sliders are native inputs, so the keyboard works and screen readers name them.
(() => {
  const {
    sum, softmax, logsumexp, entropy, sigmoid, favourite, gradients, TYPES, stepByStep, LOSSES,
    POINTS, real, moved, trueSlopes, slopes, passes, RACE, coarse, written, signed, power, list,
    add, set, frame, setTo, bars, axes, path, arrow, draggable, table } = window.interactive;

  const figures = {
    logits(box) {
      const fig = frame(box, say("Make b the favourite with one slider."));
      const names = [..."abcd"], scores = [2, 1, -0.5, 0.3];
      const draw = bars(fig.drawing, names, say("Probabilities of four classes"));
      const each = names.map((name, k) => fig.slider(`logit ${name}`, [-5, 5, 0.1, scores[k]],
        (x) => x.toFixed(1)));
      const shift = fig.slider(say("added to all"), [-50, 50, 1, 0], (x) => x.toFixed(0));
      const put = (z) => () => each.forEach((s, k) => (s.value = z[k]));
      fig.button(say("all equal"), put([0, 0, 0, 0]));
      fig.button(say("a is sure"), put([5, -3, -3, -3]));
      fig.button(say("add 50 to all"), setTo(shift, 50));
      fig.start(() => {
        const z = each.map((s) => s.value + shift.value), p = softmax(z);
        draw(p);
        const one = [...each, shift].filter((s) => s.value !== s.start).length === 1;
        return { said: say`p = ${list(p)}, log-sum-exp ${logsumexp(z).toFixed(3)}`,
          done: one && favourite(p) === 1 };
      });
    },

    temperature(box) {
      const fig = frame(box, say("Find the T at which the entropy is half of its maximum."));
      const z = [2, 1, -0.5, 0.3], most = Math.log(4);
      const draw = bars(fig.drawing, [..."abcd"], say("Probabilities at this temperature"));
      const meter = add(fig.drawing, "svg", { viewBox: "0 0 320 34", role: "img",
        "aria-label": say("The entropy as a bar, from 0 to log 4") });
      add(meter, "path", { d: "M26 18H320V30H26Z", class: "frame" });
      const filled = add(meter, "rect", { x: 26, y: 18, height: 12, class: "entropy bar" });
      add(meter, "path", { d: "M173 14V34", class: "mark" });
      add(meter, "text", { x: 26, y: 11 }, say("entropy"));
      add(meter, "text", { x: 173, y: 11, "text-anchor": "middle" }, say("half"));
      add(meter, "text", { x: 318, y: 11, "text-anchor": "end" }, "log 4");
      // The slider is the logarithm of T: as much room for the cold as for the hot.
      const slide = fig.slider(say("temperature"), [-3.3, 5, 0.02, 0],
        (x) => `T = ${(2 ** x).toFixed(2)}`);
      fig.button("T = 0.25", setTo(slide, -2));
      fig.button("T = 1", setTo(slide, 0));
      fig.button("T = 16", setTo(slide, 4));
      fig.start(() => {
        const T = 2 ** slide.value, p = softmax(z, T), H = entropy(p);
        draw(p);
        filled.setAttribute("width", 294 * H / most);
        return { said: say`T = ${T.toFixed(3)}: p = ${list(p)}, entropy ${H.toFixed(3)} of at
          most ${most.toFixed(3)} nats`, done: Math.abs(H - most / 2) < 0.02 };
      });
    },

    overflow(box) {
      const fig = frame(box, say("Find where the naive column first shows a wrong digit."));
      const [logits, exps, naive, shiftedExps, good] =
        table(fig.drawing, [], [say("logit z"), "exp(z)", say("naive"), "exp(z−max)", say("shifted")]);
      const names = Object.keys(TYPES).map((name) => [name, name]);
      const type = fig.choice(say("precision"), names, "float32", retype);
      const offset = fig.slider(say("added to all"), [-120, 120, 0.1, 88], (x) => written(x));
      const marks = add(fig.panel, "datalist", { id: "overflow-places" });
      offset.input.setAttribute("list", marks.id);
      const jumps = Array.from({ length: 4 }, (_, k) => fig.button("", () =>
        (offset.value = places[k])));
      let places, edges;

      // Of one place of the slider: what each column says, and which words go with it.
      function look(by, { round, within = round, eps, normal }) {
        const z = [2, 1, 0].map((x) => round(x + by));
        const first = stepByStep(z, round), truth = softmax(z);
        const second = stepByStep(z.map((x) => round(x - Math.max(...z))), within);
        second.probs = second.probs.map(round);
        // Four roundings explain four spacings. Beyond, and if it shows, a digit is wrong.
        const words = first.probs.map((p, k) => Number.isNaN(p) ? say("no number")
          : written(p) !== written(round(truth[k])) && Math.abs(p - truth[k]) > 4 * eps * truth[k]
            ? say("wrong") : "");
        const why = first.exps.map((e) => e === Infinity ? say("overflow")
          : e === 0 ? say("underflow") : e < normal ? say("few digits") : "");
        return { z, first, second, words, why };
      }

      const errs = (by, t) => look(by, t).words.includes(say("wrong"));

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
        const past = (x) => Number(
          (Math.sign(x) * Math.ceil(Math.abs(x) / t.step) * t.step).toFixed(2));
        const [top, digits] = [t.largest, t.normal].map(Math.log);
        places = [top - 2, digits, t.nothing, t.nothing - 2].map(past);
        const shown = [top, digits, t.nothing].map((x) => x.toFixed(2));
        const texts = [say`exp overflows (${shown[0]})`, say`digits go (${shown[1]})`,
          say`exp is 0 (${shown[2]})`, say("all are 0")];
        texts.forEach((text, k) => (jumps[k].textContent = signed(text)));
        marks.replaceChildren();
        for (const value of places) add(marks, "option", { value });
      }

      // What is wrong is bold. A cause, with three digits, has a colour and a word only.
      function fill(cells, values, digits = 5, words = []) {
        cells.forEach((cell, k) => {
          cell.replaceChildren();
          cell.className = words[k] ? "odd" : "";
          add(cell, words[k] && digits === 5 ? "b" : "span", {}, signed(written(values[k], digits)));
          if (words[k]) add(cell, "small", {}, words[k]);
        });
      }

      retype();
      fig.start(() => {
        const t = TYPES[type.value], { z, first, second, words, why } = look(offset.value, t);
        fill(logits, z);
        fill(exps, first.exps, 3, why);
        fill(naive, first.probs, 5, words);
        fill(shiftedExps, second.exps);
        fill(good, second.probs);
        const bad = (word) => words.filter((w) => w === word).length;
        const [none, wrong] = [bad(say("no number")), bad(say("wrong"))];
        const said = none + wrong === 0 ? say("The naive column is right.")
          : say`Naive: ${none} of 3 are no number, ${wrong} wrong.`;
        const near = edges.some((edge) => Math.abs(offset.value - edge) <= t.end / 100);
        const [one, two] = [first, second].map(({ probs }) =>
          probs.map((p) => written(p)).join(", "));
        return { said, spoken: say`${said} Naive ${one}; shifted ${two}.`,
          done: wrong > 0 && none === 0 && near };
      }, retype);
    },

    teacher(box) {
      // What the teacher said about a few digits, put into the page by the chapter itself.
      const cases = JSON.parse(box.dataset.cases);
      const second = (logits, T) => softmax(logits, T).sort((a, b) => b - a)[1];
      // The task makes sense where the second digit climbs past 10 %; close ones only fall.
      const sure = cases.findIndex(({ logits }) =>
        second(logits, 1) < 0.1 && second(logits, 20) > 0.1);
      // Their names: say("a 0 (sure)"), say("a 5 (close)"), say("a 4 (wrong)").
      const fig = frame(box, say`For ${say(cases[sure].name)}, find the largest T at which the second
        digit still has at most 10 %.`);
      const image = add(fig.drawing, "svg", { viewBox: "0 0 8 8", role: "img", class: "digit" });
      const squares = cases[0].pixels.map((_, k) => add(image, "rect",
        { x: k % 8, y: Math.floor(k / 8), width: 1.02, height: 1.02 }));
      const draw = bars(fig.drawing, [..."0123456789"], say("What the student is to match"));
      const digit = fig.choice(say("digit"), cases.map((c, k) => [k, say(c.name)]), String(sure));
      const slide = fig.slider(say("temperature"), [0, 4.4, 0.02, 2],
        (x) => `T = ${(2 ** x).toFixed(2)}`);
      fig.button("T = 1", setTo(slide, 0));
      fig.button("T = 4", setTo(slide, 2));
      fig.button("T = 16", setTo(slide, 4));
      fig.start(() => {
        const { name, pixels, logits } = cases[digit.value];
        image.setAttribute("aria-label", say`8 by 8 pixels: ${say(name)}`);
        pixels.forEach((ink, k) => squares[k].setAttribute("fill-opacity", ink / 16));
        const T = 2 ** slide.value, p = softmax(logits, T);
        draw(p);
        const [one, two] = [...p.keys()].sort((a, b) => logits[b] - logits[a]);
        return { said: say`T = ${T.toFixed(3)}: first ${one} with ${p[one].toFixed(3)},
          then ${two} with ${p[two].toFixed(3)}`,
        done: digit.value === String(sure) && p[two] <= 0.1 && p[two] > 0.0992 };
      });
    },

    gradients(box) {
      const fig = frame(box, say`Drag the point to where squared error has hardly any slope left
        although the prediction is wrong.`);
      const corner = [[30, 240], [290, 240], [160, 15]];
      const place = (p) => [0, 1].map((i) => sum(p.map((x, k) => x * corner[k][i])));
      const svg = add(fig.drawing, "svg", { viewBox: "0 0 320 265", role: "group",
        "aria-label": say`A triangle of predictions with a point that moves; its arrows are the
          steps that the two losses ask of the logits` });
      add(svg, "path", { d: "M30 240H290L160 15Z", class: "frame" });
      [say("target"), say("class 1"), say("class 2")].forEach((name, k) => add(svg, "text",
        { x: corner[k][0], y: corner[k][1] + (k < 2 ? 18 : -4), "text-anchor": "middle" }, name));
      const drawn = {};
      for (const [name, x, anchor] of [["squared", 318, "end"], ["entropy", 2, "start"]]) {
        const from = anchor === "end" ? 270 : 2;
        arrow(svg, name)([from, 10], [from + 48, 10]);
        add(svg, "text", { x, y: 32, "text-anchor": anchor, class: name }, RACE[name].name);
        drawn[name] = { point: arrow(svg, name), length: add(svg, "text",
          { x, y: 48, "text-anchor": anchor, class: `length ${name}` }) };
      }
      const ghost = add(svg, "circle", { r: 8, class: "ghost" });
      const dot = add(svg, "circle", { r: coarse ? 14 : 8, class: "dot", tabindex: 0,
        role: "slider", "aria-label": say("prediction, moved by the arrow keys"),
        "aria-valuemin": 0, "aria-valuemax": 1 });
      const [first, second] = [[1, 2], [2, 0.5]].map(([k, start]) =>
        fig.slider(say`logit of class ${k}`, [-8, 8, 0.05, start], (x) => x.toFixed(2)));
      const put = (a, b) => () => {
        first.value = a;
        second.value = b;
      };
      fig.button(say("all equal"), put(0, 0));
      fig.button(say("nearly right"), put(-3, -4));
      fig.button(say("between 1 and 2"), put(4, 4));

      // From the place in the triangle to probabilities to logits.
      function moveTo(x, y) {
        const top = (240 - y) / 225, right = (x - 30 - 130 * top) / 260;
        const p = [1 - top - right, right, top].map((v) => Math.max(v, 3e-4));
        put(Math.log(p[1] / p[0]), Math.log(p[2] / p[0]))();
        fig.refresh();
      }
      draggable(svg, dot, moveTo);
      const KEYS = { ArrowLeft: [-6, 0], ArrowRight: [6, 0], ArrowUp: [0, -6], ArrowDown: [0, 6] };
      dot.addEventListener("keydown", (event) => {
        const by = KEYS[event.key];
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
          drawn[name].point([cx, cy], end);
          drawn[name].length.textContent = lengths[name].toFixed(3);
        }
        return { said: say`p = ${list(p)}; gradient of cross-entropy
          ${lengths.entropy.toFixed(3)}, of squared error ${lengths.squared.toFixed(3)}`,
        done: lengths.squared < 0.05 && favourite(p) !== 0 };
      });
    },
  };

  Object.assign(figures, { step, race });

  // The step of a difference: the loss near the point, magnified to the size of the step, and
  // the errors of three slopes. Below, what a check of each loss says at each point.
  function step(box) {
    const fig = frame(box, say("Find a loss that is wrong although its check passes."));
    const near = add(fig.drawing, "svg", { viewBox: "0 0 320 150", role: "img" });
    add(near, "text", { x: 0, y: 10 }, say("loss around the point"));
    // An inner drawing, which cuts off what leaves it.
    const inner = add(near, "svg",
      { x: 0, y: 18, width: 320, height: 132, viewBox: "-160 -66 320 132" });
    add(inner, "path", { d: "M-160 0H160M0 -66V66", class: "grid" });
    const lines = {};
    for (const name of ["tangent", "curve", "secant"])
      lines[name] = add(inner, "path", { class: `line ${name}` });
    const nothing = add(inner, "text", { x: 0, y: -8, "text-anchor": "middle" });
    const ends = [0, 1].map(() => add(inner, "circle", { r: 4, class: "end" }));
    const key = add(fig.drawing, "p", { class: "key" });
    const KEY = { curve: say("loss"), tangent: say("true slope"), secant: say("central secant") };
    for (const [name, text] of Object.entries(KEY)) add(key, "span", { class: name }, text);

    const WAYS = { onesided: say("one-sided"), central: say("central"), complex: say("complex step") };
    const far = add(fig.drawing, "svg", { viewBox: "0 0 320 190", role: "img",
      "aria-label": say("Relative error of the slope against the step, for three ways to measure it") });
    const powers = (from, to, by) => Array.from({ length: (to - from) / by + 1 },
      (_, k) => [from + k * by, `1e${from + k * by}`]);
    const [X, Y] = axes(far, { left: 46, right: 302, top: 20, bottom: 150,
      x: [-15, -1], y: [-17, 1], xTicks: powers(-13, -1, 4), yTicks: powers(-16, 0, 4),
      names: [say("step h"), say("relative error of the slope")] });
    const errors = Object.keys(WAYS).map((name) => ({ name,
      line: add(far, "path", { class: `line ${name}` }),
      dot: add(far, "circle", { r: 4.5, class: name }) }));
    const here = add(far, "path", { class: "mark" });

    const slide = fig.slider(say("step"), [-15, -1, 0.25, -14.5], (x) => `h = ${power(10 ** x)}`);
    const chosen = { loss: "right", point: "z" };
    add(fig.panel, "p", { class: "caption" }, say("Does a check with this step pass?"));
    const verdicts = table(fig.panel, Object.keys(POINTS).map((name) => say(name)),
      Object.keys(LOSSES).map((name) => say(name))).flatMap((row, i) =>
      row.map((cell, k) => {
        const at = { loss: Object.keys(LOSSES)[i], point: Object.keys(POINTS)[k] };
        return { ...at, node: fig.button("", () => Object.assign(chosen, at), cell) };
      }));
    const cells = table(fig.panel, [say("error"), say("least"), say("at h")], Object.values(WAYS));
    cells.forEach(([cell]) => cell.previousSibling.classList.add("way"));
    for (const log of [-2, -5, -12]) fig.button(`h = 1e${log}`, setTo(slide, log));

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
      const secant = [[-160, a[1] - 60 * tilt], [160, b[1] + 60 * tilt]];
      lines.secant.setAttribute("d", known ? path(secant) : "");
      [a, b].forEach(([cx, cy], k) => set(ends[k], { cx, cy: known ? cy : 999 }));
      nothing.textContent = known ? "" : say`the loss here is ${written(middle)}`;
    }

    function drawErrors(f, z, h, slope) {
      const log = slide.value, grid = Array.from({ length: 57 }, (_, k) => -15 + k / 4);
      const all = grid.map((p) => slopes(f, z, 10 ** p)), now = slopes(f, z, h), shown = {};
      errors.forEach(({ name, line, dot }, k) => {
        const points = grid.map((p, i) => [p, Math.log10(relative(all[i][name], slope))])
          .filter(([, error]) => Number.isFinite(error)).map(([p, error]) => [X(p), Y(error)]);
        line.setAttribute("d", path(points));
        const error = shown[name] = relative(now[name], slope);
        set(dot, { cx: X(log), cy: Number.isFinite(error) ? Y(Math.log10(error)) : 999 });
        const known = all.map((way) => relative(way[name], slope))
          .map((e) => (e < Infinity ? e : Infinity));
        const least = Math.min(...known), at = 10 ** grid[known.indexOf(least)];
        [error, least, least < Infinity ? at : NaN].forEach((x, i) =>
          (cells[k][i].textContent = signed(x < Infinity ? power(x) : say("no number"))));
      });
      here.setAttribute("d", `M${X(log)} 20V150`);
      return shown;
    }

    function judge(h) {
      for (const { loss, point, node } of verdicts) {
        const good = passes(LOSSES[loss], POINTS[point], h);
        const pressed = loss === chosen.loss && point === chosen.point;
        node.textContent = good ? say("✓ passes") : say("✗ fails");
        node.className = good ? "good" : "bad";
        const said = good ? say("passes") : say("fails");
        set(node, { "aria-pressed": pressed,
          "aria-label": say`${say(loss)}, ${say(point)}: ${said}` });
      }
    }

    fig.start(() => {
      const h = 10 ** slide.value, f = LOSSES[chosen.loss], z = POINTS[chosen.point];
      const slope = trueSlopes(z)[0];
      near.setAttribute("aria-label",
        say`The loss at ${say(chosen.point)}, magnified to steps of ${power(h)}`);
      magnify(f, z, h, slope);
      const error = drawErrors(f, z, h, slope);
      judge(h);
      const good = passes(f, z, h), wrong = chosen.loss !== "right";
      const off = error.central < Infinity ? power(error.central) : say("no number");
      const which = wrong ? say`“${say(chosen.loss)}”` : say("the right loss");
      // A verdict that does not fit the loss is said.
      const but = wrong !== good ? "" : wrong ? say(", although that loss is wrong")
        : say(", although that loss is right");
      const verdict = good ? say("passes") : say("fails");
      return { said: say`h = ${power(h)}: central slope off by ${off}. Check of ${which} at
        ${say(chosen.point)}: ${verdict}${but}.`, done: wrong && good };
    }, () => Object.assign(chosen, { loss: "right", point: "z" }));
  }

  // Two balls on two curves: gradient steps from one start.
  function race(box) {
    const fig = frame(box, say`Find a start at which squared error needs more than a hundred times
      the steps of cross-entropy to pass p = 0.5.`);
    const svg = add(fig.drawing, "svg", { viewBox: "0 0 320 220", role: "img", "aria-label":
      say`Both losses against the logit of the wrong class. Cross-entropy climbs, squared error
      lies flat. On each a ball.` });
    const named = (ticks) => ticks.map((v) => [v, String(v)]);
    const [X, Y] = axes(svg, { left: 26, right: 308, top: 22, bottom: 178, x: [-8, 12], y: [0, 12],
      xTicks: named([-8, -4, 0, 4, 8, 12]), yTicks: named([0, 2, 6, 12]),
      names: [say("logit a of the wrong class"), say("loss")] });
    for (const [a, name] of [[0, "p = 0.5"], [-Math.log(9), "0.9"]]) {
      add(svg, "path", { d: `M${X(a)} 34V178`, class: "mark" });
      add(svg, "text", { x: X(a) + (a ? -3 : 3), y: 44, "text-anchor": a ? "end" : "start" }, name);
    }
    const balls = Object.entries(RACE).map(([name, { loss }]) => {
      const curve = Array.from({ length: 101 }, (_, k) => -8 + k / 5)
        .map((a) => [X(a), Y(loss(a))]);
      add(svg, "path", { d: path(curve), class: `line ${name}` });
      const ghost = add(svg, "circle", { r: 7, class: "ghost" });
      return { name, ghost, node: add(svg, "circle", { r: 7, class: `ball ${name}` }) };
    });
    for (const [name, a, y] of [["entropy", 8.2, 9], ["squared", 11.8, 2.6]])
      add(svg, "text", { x: X(a), y: Y(y), "text-anchor": "end", class: name }, RACE[name].name);
    const handle = add(svg, "circle", { r: coarse ? 14 : 7, cy: 178, class: "dot along" });

    const cells = table(fig.drawing, Object.values(RACE).map((r) => r.name),
      [say("a now"), say("p now"), say("steps to p = 0.5"), say("steps to p = 0.9")]);
    const start = fig.slider(say("start a"), [-2, 12, 0.1, 5], (x) => `a = ${x.toFixed(1)}`, restart);
    const rate = fig.slider(say("rate"), [0.1, 2, 0.1, 1], (x) => x.toFixed(1), restart);
    draggable(svg, handle, (x) => {
      start.value = -8 + ((x - 26) / 282) * 20;
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
      balls.forEach(({ name, ghost }) =>
        set(ghost, { cx: X(start.value), cy: Y(RACE[name].loss(start.value)) }));
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
      fig.button(steps > 1 ? say`run ${steps} steps` : say("run 1 step"), () => run(steps));
    fig.button(say("start at 8"), () => (start.value = 8, restart()));
    restart();
    fig.start(() => {
      const shown = state.runners.map(({ a, half, most }) => [a.toFixed(3), sigmoid(-a).toFixed(3),
        String(half ?? say("not yet")), String(most ?? say("not yet"))]);
      cells.forEach((row, i) => row.forEach((cell, k) => (cell.textContent = signed(shown[k][i]))));
      const [entropy, squared] = state.runners;
      const p = state.runners.map(({ a }) => sigmoid(-a).toFixed(3));
      return { said: say`After ${state.steps} steps p is ${p[0]} by cross-entropy, ${p[1]} by
        squared error.`,
        // It need not arrive for that: not to have arrived after so many is enough.
        done: (squared.half ?? state.steps) > 100 * entropy.half };
    }, restart);
  }

  for (const box of document.querySelectorAll(".interactive")) figures[box.dataset.figure]?.(box);
})();
