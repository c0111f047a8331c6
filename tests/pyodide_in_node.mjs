// Runs Python source in Pyodide: node pyodide_in_node.mjs WORK, a folder that has work.json.
// It leaves result.json there, the JSON text that the source's `result` has become.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { python, packages, source } = JSON.parse(readFileSync(join(folder, "work.json"), "utf8"));

// What is executed counts as a file, so that `inspect` and tracebacks find its lines.
const execute = `
import json, linecache, sys
sys.path.insert(0, "/book")
linecache.cache["<source>"] = len(source), None, source.splitlines(keepends=True), "<source>"
names = {"__name__": "__main__"}
exec(compile(source, "<source>", "exec"), names)
json.dumps(names.get("result"))
`;

async function main() {
  const { loadPyodide } = await import(pathToFileURL(join(python, "pyodide.mjs")));
  const py = await loadPyodide({ indexURL: python, packageBaseUrl: python });
  await py.loadPackage(packages, { messageCallback() {} });
  py.setStdin({ error: true }); // input() has nobody to ask
  const zip = new Uint8Array(readFileSync(join(folder, "folders.zip"))); // no Buffer of Node's
  py.unpackArchive(zip, "zip", { extractDir: "/book" });
  py.globals.set("source", source);
  writeFileSync(join(folder, "result.json"), py.runPython(execute));
}

// What the source has left to the event loop is not waited for. And of an error Node by itself
// would print the line that raised: in Pyodide a million letters.
main().then(
  () => process.exit(0),
  (error) => {
    console.error(String(error.stack ?? error));
    process.exit(1);
  },
);
