"use strict";

(() => {
  const box = document.getElementById("query-box");
  const query = document.getElementById("query");
  const variables = document.getElementById("variables");
  const result = document.getElementById("result");

  const ask = async () => {
    const given = variables.value.trim() ? JSON.parse(variables.value) : undefined;
    const headers = { Accept: "application/json", "Content-Type": "application/json", ...session.headers() };
    const body = JSON.stringify({ query: query.value, variables: given });
    const response = await fetch(box.dataset.endpoint, { method: "POST", headers, body });
    const told = await response.json();
    if ([401, 403].includes(response.status)) session.refused(told.errors[0].message);
    return JSON.stringify(told, null, 2);
  };

  const submit = async (event) => {
    event.preventDefault();
    try {
      result.textContent = await ask();
    } catch (error) {
      result.textContent = error instanceof SyntaxError ? `The variables are no JSON: ${error.message}` : String(error);
    }
  };

  box.addEventListener("submit", submit);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) box.requestSubmit();
  });
})();
