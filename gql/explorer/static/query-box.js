"use strict";

(() => {
  const box = document.getElementById("query-box");
  const query = document.getElementById("query");
  const variables = document.getElementById("variables");
  const result = document.getElementById("result");

  const parseVariables = () => (variables.value.trim() ? JSON.parse(variables.value) : undefined);

  const execute = async (values) => {
    const headers = { Accept: "application/json", "Content-Type": "application/json", ...session.headers() };
    const body = JSON.stringify({ query: query.value, variables: values });
    const response = await fetch(box.dataset.endpoint, { method: "POST", headers, body });
    const data = await response.json();
    if ([401, 403].includes(response.status)) session.reject(data.errors[0].message);
    return JSON.stringify(data, null, 2);
  };

  const submit = async (event) => {
    event.preventDefault();
    try {
      const values = parseVariables();
      result.textContent = await execute(values).catch(() => "Could not execute the query. Check that FlowQL is running.");
    } catch (error) {
      result.textContent = `The variables are not valid JSON: ${error.message}`;
    }
  };

  box.addEventListener("submit", submit);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) box.requestSubmit();
  });
})();
