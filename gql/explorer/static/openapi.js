"use strict";

// Sends the requests of the forms with the session's token, and shows the responses.
(() => {
  const { mount } = document.getElementById("content").dataset;

  const buildUrl = (section, fields) => {
    let { path } = section.dataset;
    const parameters = new URLSearchParams();
    for (const { name, value, dataset } of fields) {
      if ("inPath" in dataset) path = path.replace(`{${name}}`, encodeURIComponent(value));
      else if (value && !("header" in dataset)) parameters.append(name, value);
    }
    return `${mount}${path}${parameters.size ? `?${parameters}` : ""}`;
  };

  const format = ({ response, text }) => {
    const isJson = response.headers.get("Content-Type")?.includes("json");
    return isJson ? JSON.stringify(JSON.parse(text), null, 2) : text;
  };

  const readName = ({ response }) => response.headers.get("Content-Disposition")?.match(/filename="([^"]+)"/)?.[1] || "response";

  const send = async (section) => {
    const fields = [...section.querySelectorAll("input, select")];
    const output = section.querySelector("pre");
    const status = section.querySelector("[role=status]");
    const saveButton = section.querySelector("[data-save]");
    const url = buildUrl(section, fields);
    const headers = Object.fromEntries(fields.filter((field) => "header" in field.dataset).map((field) => [field.name, field.value]));
    status.textContent = "Sending…";
    try {
      const result = await request.send(url, { Accept: "*/*", ...headers });
      output.textContent = format(result);
      output.hidden = false;
      status.textContent = `${result.summary} · ${url}`;
      saveButton.hidden = false;
      saveButton.onclick = () => request.save(result.content, readName(result));
      if ([401, 403].includes(result.response.status) && !session.token()) session.reject("");
    } catch (error) {
      status.textContent = error.message;
    }
  };

  document.addEventListener("submit", (event) => {
    const section = event.target.closest("[data-operation]");
    if (!section) return;
    event.preventDefault();
    send(section);
  });

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
