// Cells and exercises run in the page, in a Python that session.mjs fetches at the first press.
// This file makes buttons and editors, and keeps answers in this browser.
(() => {
  const { page, base, python, exercises } = document.currentScript.dataset;
  if (!location.protocol.startsWith("http") || !window.Worker || !window.WebAssembly) return;
  const root = new URL(document.documentElement.dataset.content_root ?? "./", location).pathname;
  const live = new URL(base, location);
  const all = (selector, parent = document) => [...parent.querySelectorAll(selector)];

  function add(parent, name, attributes = {}, text = "") {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    parent.append(made);
    return made;
  }

  // What is said of the figures in a box.
  const described = (box) => all("svg[role=img], img", box)
    .map((figure) => figure.getAttribute("aria-label") ?? figure.alt);

  function button(parent, text, clicked) {
    const made = add(parent, "button", { type: "button", class: "live-button" }, text);
    made.addEventListener("click", clicked);
    return made;
  }

  // Under the book's own path: other books may have the same host. What a browser forbids to keep
  // lasts as long as the page.
  const here = {};
  const store = {
    key: (kind, name, of = page) => `${kind} ${root}${of} ${name}`,
    get(...key) {
      try {
        return here[store.key(...key)] ?? localStorage.getItem(store.key(...key));
      } catch { return null; }
    },
    set(value, ...key) {
      here[store.key(...key)] = value;
      try {
        if (value === null) localStorage.removeItem(store.key(...key));
        else localStorage.setItem(store.key(...key), value);
      } catch { /* as said */ }
    },
  };

  // Python in the classes that the page's style sheet colours.
  const TOKENS = new RegExp([
    /(?<c1>#.*)/,
    /(?<s2>(?:\b[rbfuRBFU]{1,2})?(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)))/,
    /(?<s1>(?:\b[rbfuRBFU]{1,2})?(?:"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))/,
    /(?<k>\b(?:and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b)/,
    /(?<kc>\b(?:None|True|False)\b)/, /(?<mi>\b\d[\w.]*)/, /(?<o>[-+*/%@&|^~<>=!]+)/,
  ].map((part) => part.source).join("|"), "g");
  function coloured(box, text) {
    let end = 0;
    box.replaceChildren();
    for (const match of text.matchAll(TOKENS)) {
      const kind = Object.keys(match.groups).find((name) => match.groups[name]);
      if (!kind) continue;
      box.append(text.slice(end, match.index));
      add(box, "span", { class: kind }, match[0]);
      end = match.index + match[0].length;
    }
    box.append(text.slice(end), "\n"); // a last line that is empty has a height, too
  }

  let session, said, tries = 0, cells = [];
  const speak = (words) => (said.textContent = words);

  // If Python comes from elsewhere, that is said before it is fetched.
  const source = python ? say` (Python from ${new URL(python).host})` : "";

  class Cell {
    constructor(node, index) {
      Object.assign(this, { node, index });
      this.pre = node.querySelector(".cell_input pre");
      this.written = this.pre.textContent.replace(/\n$/, "");
      this.exercise = this.written.match(/^ex\.(\w+)\.check\(/m)?.[1];
      this.name = this.exercise ?? say`cell ${index + 1}`;
      this.stored = all(".cell_output", node);
      const slow = node.className.match(/tag_takes-(\d+)-(\w+)/); // say("seconds"), say("minutes")
      this.word = this.exercise ? say("Check") : say("Run");
      if (slow) this.word += say` (about ${slow[1]} ${say(slow[2])})`;
      const bar = add(node.querySelector(".cell_input"), "div", { class: "live-bar" });
      this.runs = button(bar, this.word, () => (this.running ? session.stop() : this.run()));
      this.edits = button(bar, say("Edit"), () => (this.edit(), this.editor.focus()));
      this.resets = button(bar, say("Reset"), () => this.reset());
      this.status = add(bar, "span", { class: "live-status" });
      add(bar, "span", { class: "live-number", "aria-hidden": "true" },
        say`cell ${index + 1}`);
      this.label();
      this.resets.hidden = true;
      if (this.exercise) this.edit(store.get("answer", this.exercise));
    }

    label() {
      const word = this.running ? say("Stop") : this.word;
      this.runs.textContent = word + (session?.isReady() || this.running ? "" : source);
      for (const made of [this.runs, this.edits, this.resets])
        made.setAttribute("aria-label", `${made.textContent} ${this.name}`);
    }

    get text() { return this.editor?.value ?? this.written; }

    edit(text) {
      if (this.editor) return;
      const box = add(this.pre.parentNode, "div", { class: "live-editor" });
      this.letters = add(box, "div", { class: "live-letters", "aria-hidden": "true" });
      this.editor = add(box, "textarea", { "aria-label": say`Python code of ${this.name}`,
        "aria-describedby": "live-keys", autocapitalize: "off", autocomplete: "off",
        spellcheck: "false" });
      this.pre.hidden = this.edits.hidden = true;
      this.editor.value = text ?? this.written;
      this.editor.addEventListener("input", () => this.changed());
      this.editor.addEventListener("keydown", (event) => this.typed(event));
      this.changed();
    }

    changed() {
      const same = this.text === this.written;
      coloured(this.letters, this.text);
      this.resets.hidden = this.running || (same && !this.shown);
      if (this.exercise) store.set(same ? null : this.text, "answer", this.exercise);
    }

    // Enter keeps the indentation, Backspace takes a step of it back. Tab leaves the editor.
    typed(event) {
      const { value, selectionStart: from, selectionEnd: to } = this.editor;
      const line = value.slice(value.lastIndexOf("\n", from - 1) + 1, from);
      const write = (command, text) => { // through the browser, so that Undo knows of it
        event.preventDefault();
        document.execCommand(command, false, text);
      };
      if (event.isComposing) return;
      if (event.key === "Backspace" && from === to && /^( {4})+$/.test(line)) {
        this.editor.setSelectionRange(from - 4, from);
        write("delete");
      } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey || event.shiftKey)) {
        event.preventDefault();
        if (!this.running) this.run();
      } else if (event.key === "Enter") {
        const more = /:\s*(#.*)?$/.test(line) ? "    " : "";
        write("insertText", "\n" + line.match(/^ */)[0] + more);
      }
    }

    reset() {
      if (this.editor) this.editor.value = this.written;
      this.clear(false);
      if (this.editor) this.changed();
      if (this.exercise) store.set(null, "solved", this.exercise);
      this.status.textContent = "";
      this.resets.hidden = true;
      this.runs.focus();
      count();
      speak(say`${this.name} is as it was.`);
    }

    // Take the last output away; the stored one is seen in its place, or hidden.
    clear(hidden) {
      this.shown?.remove();
      this.shown = undefined;
      for (const output of this.stored) output.hidden = hidden;
    }

    tell(words) {
      if (this.status.textContent === words) return;
      this.status.textContent = words;
      speak(`${this.name}: ${words}`);
    }

    async run() {
      if (session?.isBusy()) return this.tell(session.BUSY);
      this.running = this.resets.hidden = true;
      this.label();
      const end = await this.asked({ ask: "run", k: this.index });
      this.running = false;
      for (const cell of cells) cell.label();
      this.output();
      const judged = this.shown?.querySelector(".check");
      if (this.exercise && judged?.matches(".check-correct"))
        store.set("yes", "solved", this.exercise);
      this.tell(end.text ?? (!end.ok ? say("Stopped at an error.") : judged ? "" : this.exercise
        ? session.unchecked(this.exercise) : say`Done in ${end.seconds.toFixed(1)} s.`));
      const heard = all(".live .output", this.node)
        .map((box) => described(box).join(" ") || box.innerText).join("\n");
      speak(`${this.name}: ${heard.slice(-600)} ${this.status.textContent}`);
      this.resets.hidden = false;
      this.node.dataset.ran = end.kind;
      if (this.shown) this.fold?.setAttribute("open", "");
      count();
      dispatchEvent(new Event("resize")); // what is too wide is looked for again (scrollable.js)
    }

    async asked(question) {
      this.tell(session?.isReady() ? say("Running …")
        : say("Starting Python, the first time 10 to 17 MB …"));
      try {
        // Under a new name each time: a browser may keep a failure.
        session ??= await import(new URL(`session.mjs?${++tries}`, live));
      } catch {
        return { kind: "ended", text: say("Python could not be loaded. Is there a connection?") };
      }
      const sources = cells.map((cell) => cell.text);
      return session.ask(live, python, { ...question, sources },
        { limited: Boolean(this.exercise), show: (record) => this.record(record) });
    }

    record(record) {
      if (record.kind === "loading") this.tell(say`Loading ${record.text} …`);
      else if (record.kind === "begun") this.tell(say("Running …")), this.begun = true;
      else this.output(), session.append(this.shown, record, this.alt(record.plain), coloured);
    }

    // Late: the old one keeps the page still.
    output() {
      if (!this.begun) return;
      this.begun = false;
      this.clear(true);
      this.shown = add(this.node, "div", { class: "cell_output live" });
    }

    // A cell that was not edited draws what is described already.
    alt(plain) {
      const text = this.stored.flatMap(described)[described(this.shown).length];
      return (this.text === this.written && text) || say`Figure drawn by ${this.name}: ${plain}`;
    }
  }

  // The outputs below a prompt lie in the fold of its answer, in the order of their cells.
  function pair(fold) {
    const outputs = all(":scope > .cell:not(:has(.cell_input)) > .cell_output", fold);
    for (const cell of cells) {
      const before = cell.node.compareDocumentPosition(fold) & Node.DOCUMENT_POSITION_FOLLOWING;
      if (!before || cell.fold || !cell.node.classList.contains("asked")) continue;
      cell.fold = fold;
      cell.stored.push(...outputs.splice(0, 1));
    }
  }

  // A figure with sliders shows what a cell computes: a way to its code.
  function lead(figure) {
    const cell = cells.find(({ node }) => node.matches(`.tag_code-of-${figure.dataset.figure}`));
    if (!cell) return;
    button(figure.querySelector(".buttons"), say("The code of this"), () => {
      cell.node.querySelector("details:has(.cell_input)")?.setAttribute("open", "");
      cell.node.scrollIntoView({ block: "center" });
      cell.runs.focus({ preventScroll: true });
    });
  }

  const solved = (names, of) => names.filter((name) => store.get("solved", name, of)).length;
  const mine = () => cells.filter((cell) => cell.exercise);
  let line;

  function count() {
    const done = solved(mine().map((cell) => cell.exercise));
    if (line) line.textContent =
      say`${done} of ${mine().length} solved. Answers are kept in this browser alone. `;
  }

  function head(place) {
    place.firstChild.textContent = say("Check them here, or run them in a notebook: ");
    const box = add(place.parentNode, "p", { class: "live-progress" });
    place.after(box);
    line = add(box, "span");
    button(box, say("Export my answers"), save);
    count();
  }

  // A script that `python -m companion.exercises check` judges.
  async function save() {
    const answered = mine().filter((cell) => cell.text !== cell.written);
    if (!answered.length || session?.isBusy())
      return speak(line.textContent = answered.length ? session.BUSY : say("There is no answer yet. "));
    const chosen = answered.map((cell) => cell.index);
    const end = await answered[0].asked({ ask: "export", chosen });
    answered[0].tell("");
    speak(line.textContent = `${end.kind === "done" ? say("Exported.") : end.text} `);
    if (end.kind === "done") session.save(end.text, `${page.split("/").pop()}.py`);
  }

  // The front page: how many were solved here.
  function overview(box) {
    const found = Object.entries(JSON.parse(exercises))
      .map(([of, { title, names }]) => [title, solved(names, of), names.length])
      .filter(([, done]) => done)
      .map(([title, done, most]) => say`${title} ${done} of ${most}`);
    box.hidden = false;
    if (found.length) add(box, "p", {}, say`Solved in this browser: ${found.join(say(", "))}.`);
  }

  all(".live-overview").forEach(overview);
  const nodes = all("div.cell").filter((node) => node.querySelector(".cell_input pre"));
  if (!nodes.length) return;
  said = add(document.querySelector("article"), "p", { class: "live-said visually-hidden",
    role: "status" });
  add(document.body, "p", { id: "live-keys", hidden: "" },
    say("Control and Enter runs the code. Tab leaves the editor."));
  cells = nodes.map((node, index) => new Cell(node, index));
  all("details.gives").forEach(pair);
  // Once they are drawn.
  addEventListener("DOMContentLoaded", () => all(".interactive[data-figure]").forEach(lead));
  all(".live-note").forEach((note) => (note.hidden = false));
  all(".where-to-run").forEach(head);
  document.documentElement.dataset.live = cells.length;
})();
