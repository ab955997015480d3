"use strict";

// Sends the requests of the forms with the session's token, and shows the responses.
(() => {
  const { mount } = document.getElementById("content").dataset;
  // The last request of each form. A response to an earlier one, or to another user's, does not count.
  const lastRequests = new Map();

  const buildUrl = (section, fields) => {
    let { path } = section.dataset;
    const parameters = new URLSearchParams();
    for (const { name, value, dataset } of fields) {
      if ("inPath" in dataset) path = path.replace(`{${name}}`, () => encodeURIComponent(value));
      else if (value && !("header" in dataset)) parameters.append(name, value);
    }
    return `${mount}${path}${parameters.size ? `?${parameters}` : ""}`;
  };

  const format = ({ response, text }) => {
    const value = response.headers.get("Content-Type")?.includes("json") && httpClient.parseObject(text);
    return value ? JSON.stringify(value, null, 2) : text;
  };

  const readName = ({ response }) => response.headers.get("Content-Disposition")?.match(/filename="([^"]+)"/)?.[1] || "response";

  const show = (section, status, result) => {
    const output = section.querySelector("pre");
    const saveButton = section.querySelector("[data-save]");
    section.querySelector("[role=status]").textContent = status;
    output.textContent = result ? format(result) : "";
    output.hidden = saveButton.hidden = !result;
    saveButton.onclick = result && (() => saveFile(result.content, readName(result)));
  };

  const send = async (section) => {
    const fields = [...section.querySelectorAll("input, select")];
    const url = buildUrl(section, fields);
    const headers = Object.fromEntries(fields.filter((field) => "header" in field.dataset).map((field) => [field.name, field.value]));
    const request = {};
    lastRequests.set(section, request);
    show(section, "Sending…");
    const result = await httpClient.send(url, { headers: { Accept: "*/*", ...headers } }).catch((error) => error);
    if (lastRequests.get(section) !== request) return;
    if (result instanceof Error) show(section, result.message);
    else show(section, `${result.summary} · ${url}`, result);
    if ([401, 403].includes(result.response?.status) && !session.token()) session.reject("");
  };

  const clear = () => {
    for (const section of lastRequests.keys()) show(section, "");
    lastRequests.clear();
  };

  document.addEventListener("submit", (event) => {
    const section = event.target.closest("[data-operation]");
    if (!section) return;
    event.preventDefault();
    send(section);
  });
  document.addEventListener("flowql:session", clear);

  // A link can fill in the form of an operation. It only reads, so it is sent at once.
  const parameters = new URLSearchParams(location.search);
  const section = document.querySelector(`[data-operation="${CSS.escape(parameters.get("operation") || "")}"]`);
  if (section) {
    for (const field of section.querySelectorAll("input, select")) field.value = parameters.get(field.name) ?? field.value;
    section.scrollIntoView();
    const sendWhenSignedIn = () => session.token() && section.querySelector("form").checkValidity() && send(section);
    document.addEventListener("flowql:session", sendWhenSignedIn);
    sendWhenSignedIn();
  }
})();
