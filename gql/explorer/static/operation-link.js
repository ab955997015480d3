"use strict";

// Links that open an operation on this page.
const operationLink = (() => {
  // The server reads 64 KiB of request line and headers. The difference is for the headers.
  const MAX_LENGTH = 60000;

  // Returns the operation in the address of the page, or null. Values are strings, valid or not.
  const read = () => {
    const parameters = new URLSearchParams(location.search);
    // Editors change line breaks, so that their text would differ from the link's.
    const get = (name) => (parameters.get(name) || "").replace(/\r\n?/g, "\n");
    const [query, variables, operationName] = ["query", "variables", "operationName"].map(get);
    return query ? { query, variables: variables === "null" ? "" : variables, operationName } : null;
  };

  const build = (endpoint, { query, variables, operationName }) => {
    const url = new URL(endpoint, location.origin);
    const values = Object.entries({ query, variables, operationName });
    url.search = new URLSearchParams(values.filter(([, value]) => value?.trim()));
    return url.href;
  };

  const copy = async (endpoint, operation) => {
    const link = build(endpoint, operation);
    const length = link.length.toLocaleString("en");
    if (link.length <= MAX_LENGTH) return clipboard.copy(link, "Link");
    return `The link would have ${length} characters, but the server reads at most 64 KiB. Copy the operation as code instead.`;
  };

  return { read, copy };
})();
