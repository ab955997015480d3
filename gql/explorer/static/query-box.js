"use strict";

(() => {
  const box = document.getElementById("query-box");
  const query = document.getElementById("query");
  const variables = document.getElementById("variables");
  const result = document.getElementById("result");

  const given = () => (variables.value.trim() ? JSON.parse(variables.value) : undefined);

  const ask = async (known) => {
    const headers = { Accept: "application/json", "Content-Type": "application/json", ...session.headers() };
    const body = JSON.stringify({ query: query.value, variables: known });
    const response = await fetch(box.dataset.endpoint, { method: "POST", headers, body });
    const told = await response.json();
    if ([401, 403].includes(response.status)) session.refused(told.errors[0].message);
    return JSON.stringify(told, null, 2);
  };

  const submit = async (event) => {
    event.preventDefault();
    try {
      const known = given();
      result.textContent = await ask(known).catch(() => "FlowQL does not answer as it should. Is it running?");
    } catch (error) {
      result.textContent = `The variables are no JSON: ${error.message}`;
    }
  };

  box.addEventListener("submit", submit);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) box.requestSubmit();
  });
})();
