"use strict";

// Links that open an operation on this page, and the clipboard.
const operationLink = (() => {
  // The server reads 64 KiB of request line and headers. The difference is for the headers.
  const MAX_LENGTH = 60000;

  // Returns the operation in the address of the page, or null. Values are strings, valid or not.
  const read = () => {
    const parameters = new URLSearchParams(location.search);
    const [query, variables, operationName] = ["query", "variables", "operationName"].map((name) => parameters.get(name) || "");
    return query ? { query, variables: variables === "null" ? "" : variables, operationName } : null;
  };

  const build = (endpoint, { query, variables, operationName }) => {
    const url = new URL(endpoint, location.origin);
    const values = Object.entries({ query, variables, operationName });
    url.search = new URLSearchParams(values.filter(([, value]) => value?.trim()));
    return url.href;
  };

  // navigator.clipboard requires HTTPS or localhost.
  const copySelection = (text) => {
    const element = document.createElement("span");
    element.className = "visually-hidden";
    element.textContent = text;
    element.addEventListener("copy", (event) => {
      event.preventDefault();
      event.stopPropagation();
      event.clipboardData.setData("text/plain", text);
    });
    document.body.append(element);
    getSelection().selectAllChildren(element);
    const isCopied = document.execCommand("copy");
    element.remove();
    return isCopied;
  };

  const writeClipboard = (text) =>
    navigator.clipboard ? navigator.clipboard.writeText(text).then(() => true, () => copySelection(text)) : copySelection(text);

  // Returns a message about the result.
  const copyText = async (text, name) =>
    (await writeClipboard(text)) ? `${name} copied.` : "The browser does not allow this page to use the clipboard.";

  const copy = async (endpoint, operation) => {
    const link = build(endpoint, operation);
    const length = link.length.toLocaleString("en");
    if (link.length <= MAX_LENGTH) return copyText(link, "Link");
    return `The link would have ${length} characters, but the server reads at most 64 KiB. Copy the operation as code instead.`;
  };

  return { read, copy, copyText };
})();
