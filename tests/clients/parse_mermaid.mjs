// Print what npm's mermaid reads out of flowcharts: of each text in the JSON file that is given, the labels of its
// nodes as they are drawn, by the nodes' ids. The packages are those in the node_modules of the folder that this is run in.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);
const { JSDOM } = require("jsdom");
// Mermaid sanitizes labels as it reads them, and needs a document for that.
const { window } = new JSDOM("");
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import(
  pathToFileURL(`${process.cwd()}/node_modules/mermaid/dist/mermaid.core.mjs`)
);

// Mermaid's own spelling of entities, which it turns into HTML's as it draws.
const decoded = (label) =>
  label.replace(/ﬂ°°(\d+)¶ß/g, (_, code) => String.fromCodePoint(code));

const charts = [];
for (const text of JSON.parse(readFileSync(process.argv[2], "utf-8"))) {
  await mermaid.parse(text);
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
  const labels = [...db.getVertices()].map(([id, { text: label }]) => [id, label.split("<br>").map(decoded)]);
  const edges = db.getEdges().map(({ start, end, text: label }) => [start, end, label]);
  const extras = [...db.getClasses().keys(), ...db.getSubGraphs(), ...[...db.getVertices().values()].flatMap((vertex) => [...vertex.styles, ...vertex.classes, ...(vertex.link ? [vertex.link] : [])])];
  charts.push({ labels, edges, extras });
}
process.stdout.write(JSON.stringify(charts));
