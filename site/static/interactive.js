// The figures that a reader can move. Each stands in a page as <div class="interactive"
// data-figure="name"> around a sentence that holds without scripts; the controls are put below it.
// Sliders are native inputs, so the keyboard works and screen readers name them. The numbers
// are those of the companion package: tests/test_interactive.py compares them.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const sum = (x) => x.reduce((a, b) => a + b, 0);

  // The mathematics, on plain arrays.
  function softmax(z, T = 1) {
    const largest = Math.max(...z);
    const exps = z.map((x) => Math.exp((x - largest) / T));
    return exps.map((e) => e / sum(exps));
  }

  const entropy = (p) => -sum(p.map((x) => (x > 0 ? x * Math.log(x) : 0)));

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

  const PRECISIONS = { float16, float32: Math.fround, float64: (x) => x };

  function stepByStep(z, round) {
    const exps = z.map((x) => round(Math.exp(x)));
    const total = round(sum(exps));
    return { exps, probs: exps.map((e) => round(e / total)) };
  }

  // Pieces of a figure.
  function add(parent, name, attributes = {}, text = "") {
    const inSvg = name === "svg" || parent.namespaceURI === SVG;
    const node = inSvg ? document.createElementNS(SVG, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.textContent = text;
    parent.append(node);
    return node;
  }

  function slider(parent, name, [min, max, step, value], changed) {
    const label = add(parent, "label");
    add(label, "span", {}, name);
    const input = add(label, "input", { type: "range", min, max, step, value });
    const shown = add(label, "output");
    const show = () => (shown.textContent = Number(input.value).toFixed(step < 0.1 ? 2 : 1));
    input.addEventListener("input", () => (show(), changed()));
    show();
    return { input, show, get value() { return Number(input.value); } };
  }

  function bars(parent, names, title) {
    const svg = add(parent, "svg", { viewBox: "0 0 320 150", role: "img", "aria-label": title });
    const width = 320 / names.length;
    const drawn = names.map((name, k) => {
      const x = k * width + width / 2;
      add(svg, "text", { x, y: 146, "text-anchor": "middle" }, name);
      const bar = add(svg, "rect", { x: x - width * 0.35, width: width * 0.7, class: "bar" });
      return { bar, text: add(svg, "text", { x, "text-anchor": "middle", class: "value" }) };
    });
    return (p) =>
      p.forEach((x, k) => {
        const height = 105 * x;
        drawn[k].bar.setAttribute("height", height);
        drawn[k].bar.setAttribute("y", 130 - height);
        drawn[k].text.setAttribute("y", 124 - height);
        drawn[k].text.textContent = x.toFixed(names.length > 6 ? 2 : 3); // as many as fit
      });
  }

  function written(x) {
    if (Number.isNaN(x)) return "nan";
    return Number.isFinite(x) ? String(Number(x.toPrecision(3))) : x > 0 ? "inf" : "-inf";
  }

  // The figures.
  const figures = {
    logits(box) {
      const draw = bars(box, ["a", "b", "c", "d"], "Probabilities of four classes");
      const start = [2, 1, -0.5, 0.3];
      const each = start.map((value, k) =>
        slider(box, `logit ${"abcd"[k]}`, [-5, 5, 0.1, value], update));
      const shift = slider(box, "added to all", [-50, 50, 1, 0], update);
      const line = add(box, "p", { "aria-live": "polite" });
      function update() {
        const z = each.map((s) => s.value + shift.value);
        const lse = Math.max(...z) + Math.log(sum(z.map((x) => Math.exp(x - Math.max(...z)))));
        draw(softmax(z));
        line.textContent = `log-sum-exp ${lse.toFixed(3)}`;
      }
      update();
    },

    temperature(box) {
      const z = [2, 1, -0.5, 0.3];
      const draw = bars(box, ["a", "b", "c", "d"], "Probabilities at this temperature");
      // The slider is log10 of T: as much room for the cold as for the hot.
      const log = slider(box, "log10 of T", [-1.5, 2, 0.01, 0], update);
      const line = add(box, "p", { "aria-live": "polite" });
      function update() {
        const T = 10 ** log.value, p = softmax(z, T);
        draw(p);
        line.textContent = `T = ${T.toFixed(3)}, entropy ${entropy(p).toFixed(3)} of ` +
          `at most ${Math.log(4).toFixed(3)} nats`;
      }
      update();
    },

    overflow(box) {
      const choice = add(box, "label");
      add(choice, "span", {}, "precision");
      const select = add(choice, "select");
      for (const name of Object.keys(PRECISIONS)) add(select, "option", {}, name);
      select.value = "float32";
      select.addEventListener("change", update);
      const offset = slider(box, "added to all", [-800, 800, 1, 0], update);
      const table = add(box, "table"), head = add(add(table, "thead"), "tr");
      for (const name of ["logit z", "exp(z)", "naive", "exp(z − max)", "shifted"])
        add(head, "th", { scope: "col" }, name);
      const body = add(table, "tbody", { "aria-live": "polite" });

      function update() {
        const round = PRECISIONS[select.value];
        const z = [2, 1, 0].map((x) => round(x + offset.value));
        const naive = stepByStep(z, round);
        const shifted = stepByStep(z.map((x) => round(x - Math.max(...z))), round);
        body.replaceChildren();
        z.forEach((x, k) => {
          const row = add(body, "tr");
          const cells = [x, naive.exps[k], naive.probs[k], shifted.exps[k], shifted.probs[k]];
          for (const value of cells) add(row, "td", {}, written(value));
        });
      }
      update();
    },

    teacher(box) {
      // What the teacher said about a few digits, put into the page by the chapter itself.
      const cases = JSON.parse(box.dataset.cases);
      const choice = add(box, "label");
      add(choice, "span", {}, "digit");
      const select = add(choice, "select");
      cases.forEach((c, k) => add(select, "option", { value: k }, c.name));
      select.addEventListener("change", update);
      const image = add(box, "svg", { viewBox: "0 0 8 8", role: "img", class: "digit" });
      const squares = cases[0].pixels.map((_, k) => add(image, "rect",
        { x: k % 8, y: Math.floor(k / 8), width: 1.02, height: 1.02 }));
      const draw = bars(box, [..."0123456789"], "What the student is to match");
      const log = slider(box, "log10 of T", [0, 2, 0.01, 0], update);
      const line = add(box, "p", { "aria-live": "polite" });

      function update() {
        const { name, pixels, logits } = cases[select.value];
        image.setAttribute("aria-label", `8 by 8 pixels: ${name}`);
        pixels.forEach((ink, k) => squares[k].setAttribute("fill-opacity", ink / 16));
        const T = 10 ** log.value, p = softmax(logits, T);
        draw(p);
        const order = [...p.keys()].sort((a, b) => logits[b] - logits[a]);
        line.textContent = `T = ${T.toFixed(3)}: first ${order[0]} with ${p[order[0]].toFixed(3)}, ` +
          `then ${order[1]} with ${p[order[1]].toFixed(3)}`;
      }
      update();
    },

    gradients(box) {
      const corner = [[30, 240], [290, 240], [160, 15]];
      const place = (p) => [0, 1].map((i) => sum(p.map((x, k) => x * corner[k][i])));
      const svg = add(box, "svg", { viewBox: "0 0 320 265", role: "img",
        "aria-label": "A triangle of distributions, and from the prediction the steps that " +
          "cross-entropy and squared error ask of the logits" });
      add(svg, "path", { d: "M30 240H290L160 15Z", class: "frame" });
      ["target", "class 1", "class 2"].forEach((name, k) => add(svg, "text",
        { x: corner[k][0], y: corner[k][1] + (k < 2 ? 18 : -4), "text-anchor": "middle" }, name));
      const arrows = { squared: add(svg, "line", { class: "arrow squared" }),
        entropy: add(svg, "line", { class: "arrow entropy" }) };
      const dot = add(svg, "circle", { r: 7, class: "dot" });
      const first = slider(box, "logit of class 1", [-8, 8, 0.05, 2], update);
      const second = slider(box, "logit of class 2", [-8, 8, 0.05, 0.5], update);
      const line = add(box, "p", { "aria-live": "polite" });

      function update() {
        const z = [0, first.value, second.value], p = softmax(z), [x, y] = place(p);
        dot.setAttribute("cx", x);
        dot.setAttribute("cy", y);
        const lengths = {};
        for (const [name, g] of Object.entries(gradients(z, [1, 0, 0]))) {
          const end = place(p.map((value, k) => value - 0.45 * g[k]));
          const ends = { x1: x, y1: y, x2: end[0], y2: end[1] };
          for (const [key, value] of Object.entries(ends)) arrows[name].setAttribute(key, value);
          lengths[name] = Math.hypot(...g).toFixed(3);
        }
        line.textContent = `p = (${p.map((value) => value.toFixed(3)).join(", ")}); gradient of ` +
          `cross-entropy ${lengths.entropy}, of squared error ${lengths.squared}`;
      }

      // Dragging: from the place in the triangle to probabilities to logits.
      function drag(event) {
        if (!event.buttons) return;
        const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(
          svg.getScreenCTM().inverse());
        const top = (240 - at.y) / 225, right = (at.x - 30 - 130 * top) / 260;
        const p = [1 - top - right, right, top].map((x) => Math.max(x, 3e-4));
        first.input.value = Math.log(p[1] / p[0]);
        second.input.value = Math.log(p[2] / p[0]);
        first.show();
        second.show();
        update();
      }
      svg.addEventListener("pointerdown", (event) => {
        svg.setPointerCapture(event.pointerId);
        drag(event);
      });
      svg.addEventListener("pointermove", drag);
      update();
    },
  };

  for (const box of document.querySelectorAll(".interactive")) figures[box.dataset.figure](box);
})();
