// Print what npm's mermaid parses from each flowchart in a JSON file: the labels of the nodes, by id, as they are drawn,
// the edges, and anything else. The packages come from node_modules in the working directory.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);
const { JSDOM } = require("jsdom");
// Mermaid needs a document to sanitize labels.
const { window } = new JSDOM("");
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import(
  pathToFileURL(`${process.cwd()}/node_modules/mermaid/dist/mermaid.core.mjs`)
);

// Mermaid encodes entities when it parses, and decodes them to HTML when it draws.
const decode = (label) =>
  label.replace(/ﬂ°°(\d+)¶ß/g, (_, code) => String.fromCodePoint(code));

const charts = [];
for (const flowchart of JSON.parse(readFileSync(process.argv[2], "utf-8"))) {
  await mermaid.parse(flowchart);
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(flowchart);
  const labels = [...db.getVertices()].map(([id, { text: label }]) => [id, label.split("<br>").map(decode)]);
  const edges = db.getEdges().map(({ start, end, text: label }) => [start, end, label]);
  const extras = [
    ...db.getClasses().keys(),
    ...db.getSubGraphs(),
    ...[...db.getVertices().values()].flatMap(({ styles, classes, link }) => [...styles, ...classes, ...(link ? [link] : [])]),
  ];
  charts.push({ labels, edges, extras });
}
process.stdout.write(JSON.stringify(charts));
