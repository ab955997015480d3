"use strict";

// Code that sends an operation. It reads the token from the environment variable TOKEN.
const operationCode = (() => {
  // JSON.stringify leaves some control characters, which a terminal executes when they are pasted.
  const stringify = (value, indent) =>
    JSON.stringify(value, null, indent).replace(/[\x7f-\x9f]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);

  // In single quotes, a shell interprets no character but the closing quote.
  const quoteShell = (text) => `'${text.replace(/'/g, "'\\''")}'`;

  const buildCurl = (url, operation) => `curl -s ${quoteShell(url)} \\
  -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' \\
  --data-raw ${quoteShell(stringify(operation))}
`;

  // Python reads the strings and numbers of JSON as they are, but not its constants.
  const PYTHON_CONSTANTS = new Map([[true, "True"], [false, "False"], [null, "None"]]);
  const renderPython = (value) => {
    if (PYTHON_CONSTANTS.has(value)) return PYTHON_CONSTANTS.get(value);
    if (Array.isArray(value)) return `[${value.map(renderPython).join(", ")}]`;
    if (typeof value !== "object") return stringify(value);
    return `{${Object.entries(value).map(([key, item]) => `${stringify(key)}: ${renderPython(item)}`).join(", ")}}`;
  };

  const escapeControl = (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;

  const quotePython = (text) => {
    const escaped = text.replace(/\\/g, "\\\\").replace(/"(?=""|$)/g, '\\"');
    return `"""${escaped.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, escapeControl)}"""`;
  };

  const buildPython = (url, { query, variables, operationName }) => `import json
import os
import urllib.request

query = ${quotePython(query)}
variables = ${renderPython(variables ?? {})}

operation = {"query": query, "variables": variables${operationName ? `, "operationName": ${stringify(operationName)}` : ""}}
headers = {"Authorization": f"Bearer {os.environ['TOKEN']}", "Content-Type": "application/json"}
request = urllib.request.Request(${JSON.stringify(url)}, json.dumps(operation).encode(), headers)
with urllib.request.urlopen(request) as response:
    print(json.dumps(json.load(response), indent=2))
`;

  const quoteTemplate = (text) => {
    const escaped = text.replace(/[\\`]|\$(?=\{)/g, "\\$&").replace(/\r/g, "\\r");
    return `\`${escaped.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, escapeControl)}\``;
  };

  // process.env is Node's. Node runs the code as a module, because it contains a top-level await.
  const buildJavaScript = (url, { query, variables, operationName }) => `const query = ${quoteTemplate(query)};
const variables = ${stringify(variables ?? {}, 2)};

const response = await fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: { Authorization: \`Bearer \${process.env.TOKEN}\`, "Content-Type": "application/json" },
  body: JSON.stringify({ query, variables${operationName ? `, operationName: ${stringify(operationName)}` : ""} }),
});
console.log(JSON.stringify(await response.json(), null, 2));
`;

  const BUILDERS = { curl: buildCurl, Python: buildPython, JavaScript: buildJavaScript };

  // Returns undefined if there are none. Throws SyntaxError if they are not a JSON object.
  const parseVariables = (text) => {
    const variables = text.trim() ? JSON.parse(text) : null;
    if (typeof variables !== "object" || Array.isArray(variables)) throw new SyntaxError("they are not an object");
    return variables ?? undefined;
  };

  const build = (language, endpoint, { query, variables, operationName }) => {
    const operation = { query, variables: parseVariables(variables), operationName: operationName || undefined };
    return BUILDERS[language](new URL(endpoint, location.origin).href, operation);
  };

  return { languages: Object.keys(BUILDERS), build, parseVariables };
})();
