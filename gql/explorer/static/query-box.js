"use strict";

(() => {
  const element = (id) => document.getElementById(id);
  const box = element("query-box");
  const { endpoint } = box.dataset;
  const link = operationLink.read();

  const readOperation = () => {
    const [query, variables] = [element("query").value, element("variables").value];
    return { query, variables, ...(query === link?.query && { operationName: link.operationName }) };
  };

  const showResult = (text, summary = "") => {
    element("result").textContent = text;
    element("response-summary").textContent = summary;
  };

  const execute = async () => {
    const operation = readOperation();
    const variables = operationCode.parseVariables(operation.variables);
    const { result, summary } = await graphqlClient.send(endpoint, { ...operation, variables });
    showResult(result.message || JSON.stringify(result, null, 2), summary);
  };

  const submit = async (event) => {
    event.preventDefault();
    await execute().catch((error) => showResult(`The variables are not a JSON object: ${error.message}`));
  };

  const copyLink = async () => {
    element("notice").textContent = await operationLink.copy(endpoint, readOperation());
  };

  if (link) {
    element("query").value = link.query;
    element("variables").value = link.variables;
  }
  box.addEventListener("submit", submit);
  document.addEventListener("flowql:session", () => showResult(""));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) box.requestSubmit();
  });
  element("copy-link").addEventListener("click", copyLink);
})();
