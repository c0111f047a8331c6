// The page's side of Python, fetched with the first press of a button: it starts the worker, asks
// it one thing at a time, and shows what comes back.
const GIVEN = 30; // seconds for an answer to an exercise; the checker itself gives it five
const { say } = window;
const RETRY = say("Press the button again to start it anew.");
const WORDS = {
  unloaded: say`Python could not be loaded. Is there a connection? ${RETRY}`,
  died: say`Python ended. ${RETRY}`,
  late: say`Not finished after ${GIVEN} seconds, so Python was stopped. Is there a loop without an
    end? ${RETRY}`,
  stopped: say("Stopped."),
};
export const BUSY = say("Another cell is running. Stop it first.");
export const unchecked = (name) =>
  say`Nothing was checked: the last line must be ex.${name}.check(${name}).`;
let worker, asked, count = 0, ready = false;

export const isReady = () => ready;
export const isBusy = () => Boolean(asked);

// Ask the worker; `show` gets the records on the way. Ends in the last record: kind "done", or
// kind "ended" with words that say why.
export function ask(base, python, question, { limited = false, show }) {
  return new Promise((done) => {
    let clock;
    const wind = () => {
      clearTimeout(clock);
      if (limited) clock = setTimeout(() => stop("late"), GIVEN * 1000);
    };
    asked = { id: ++count, end(record) {
      clearTimeout(clock);
      asked = undefined;
      done(record);
    }, show(record) {
      ready ||= record.kind === "begun";
      if (record.kind === "begun") wind();
      if (record.kind === "loading") clearTimeout(clock);
      show(record);
    } };
    // A phone may load for longer than that, so the first time counts from when the code begins.
    if (ready) wind();
    try {
      start(base, python);
      worker.postMessage({ ...question, id: asked.id });
    } catch {
      stop("unloaded");
    }
  });
}

// End the worker and what it does. The next question starts another.
export function stop(why = "stopped") {
  worker?.terminate();
  worker = undefined;
  ready = false;
  asked?.end({ kind: "ended", text: WORDS[why] });
}

function start(base, python) {
  if (worker) return;
  const address = new URL("worker.mjs", base);
  if (python) address.searchParams.set("python", python);
  worker = new Worker(address, { type: "module" });
  worker.onerror = () => stop(ready ? "died" : "unloaded");
  worker.onmessage = ({ data }) => {
    if (data.id !== asked?.id) return;
    if (data.kind === "done") asked.end(data);
    else if (data.kind in WORDS) stop(data.kind);
    else asked.show(data);
  };
}

addEventListener("pagehide", () => stop());

// Show a record at the end of an output, in the boxes that the page's stored outputs have.
export function append(out, { kind, text, plain }, alt, coloured) {
  const last = out.lastElementChild;
  if (kind === "png") {
    const picture = box(out, "image_png").appendChild(new Image());
    Object.assign(picture, { src: `data:image/png;base64,${text}`, alt });
  } else if (kind === "svg") {
    const row = last?.matches(".live-figures") ? last : box(out, "live-figures");
    row.insertAdjacentHTML("beforeend", `<div class="drawing">${text}</div>`);
    row.querySelector(":scope > :last-child svg").setAttribute("aria-label", alt);
  } else if (kind === "html") {
    box(out, "text_html").innerHTML = text;
    // The page has one place that is read aloud, and what is read there is this.
    const roles = out.querySelectorAll("[role=status]");
    for (const node of roles) node.removeAttribute("role");
  } else if (kind === "markdown" && text.startsWith("```python\n")) {
    coloured(pre(out, "highlight-python"), plain);
  } else if (last?.dataset.kind === kind && kind.startsWith("std")) {
    last.querySelector("pre").append(text);
  } else {
    const words = kind === "markdown" ? plain : text;
    pre(out, kind === "error" ? "live-error" : "stream").append(words);
    out.lastElementChild.dataset.kind = kind;
  }
}

function box(parent, classes) {
  const made = document.createElement("div");
  made.className = `output ${classes}`;
  parent.append(made);
  return made;
}

function pre(out, classes) {
  const inner = document.createElement("div");
  inner.className = "highlight";
  box(out, `${classes} highlight-text notranslate`).append(inner);
  return inner.appendChild(document.createElement("pre"));
}

// Hand a text to the reader as a file.
export function save(text, name) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/x-python" }));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
