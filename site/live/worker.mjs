// Python in a worker of the page. It is asked {id, ask, sources, k or chosen} and answers in
// records {id, kind, …}; session.mjs reads them.
const here = (file) => new URL(file, self.location).href;
const home = new URLSearchParams(self.location.search).get("python") ?? here("pyodide/");
let id; // of what is asked now

async function got(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer;
}

// Pyodide waits for ever for WebAssembly that does not arrive: what fails on the way is told here.
const lost = new Promise((_, reject) => {
  for (const [home, name] of [[self, "fetch"], [WebAssembly, "instantiateStreaming"],
    [WebAssembly, "instantiate"]]) {
    const own = home[name];
    home[name] = (...given) => {
      const made = own.apply(home, given);
      made.then((answer) => answer.ok === false && reject(new Error(answer.url)), reject);
      return made;
    };
  }
});

async function boot() {
  const [{ loadPyodide }, lock] = await Promise.all([
    import(home + "pyodide.mjs"),
    got(here("pyodide-lock.json")).then((answer) => answer.text()),
  ]);
  const [py, files] = await Promise.all([
    // What is fetched is compared with the hashes in our own list of packages.
    loadPyodide({ indexURL: home, packageBaseUrl: home, lockFileContents: lock,
      packages: ["numpy"] }),
    got(here("python.zip")).then((answer) => answer.arrayBuffer()),
  ]);
  if (!("numpy" in py.loadedPackages)) throw new Error("NumPy did not load");
  py.setStdin({ error: true }); // input() has nobody to ask
  py.unpackArchive(files, "zip");
  const kernel = py.pyimport("kernel").start((kind, text, plain) =>
    self.postMessage({ id, kind, text, plain }));
  return { py, kernel };
}

// The packages that a cell imports, as far as there are such.
async function load(py, modules) {
  const missing = Object.values(py.lockfile.packages)
    .filter(({ name, imports }) => imports.some((module) => modules.includes(module)) &&
      !(name in py.loadedPackages))
    .map(({ name }) => name);
  if (!missing.length) return;
  self.postMessage({ id, kind: "loading", text: missing.join(", ") });
  await py.loadPackage(missing, { messageCallback() {}, errorCallback() {} });
  if (!missing.every((name) => name in py.loadedPackages)) throw new Error("lost on the way");
}

async function answer(asked) {
  const sources = JSON.stringify(asked.sources);
  let python, begun = false;
  id = asked.id;
  try {
    python = await booted;
    if (asked.ask === "export") {
      const text = python.kernel.export(sources, JSON.stringify(asked.chosen));
      return self.postMessage({ id, kind: "done", text });
    }
    await load(python.py, JSON.parse(python.kernel.plan(sources, asked.k)));
    self.postMessage({ id, kind: "begun" });
    begun = true;
    const start = performance.now(), ok = python.kernel.run();
    self.postMessage({ id, kind: "done", ok, seconds: (performance.now() - start) / 1000 });
  } catch (error) {
    self.postMessage({ id, kind: begun ? "died" : "unloaded", text: String(error) });
  }
}

const booted = Promise.race([lost, boot()]);
for (const promise of [lost, booted]) promise.catch(() => {}); // who asks is told
let last = Promise.resolve();
self.onmessage = ({ data }) => (last = last.then(() => answer(data)));
