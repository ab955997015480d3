"use strict";

// The server renders the page. This script requests it with the token, which links cannot send.
(() => {
  const TYPING_PAUSE_MILLISECONDS = 250;
  const NARROW = matchMedia("(max-width: 45rem)");
  const element = (id) => document.getElementById(id);
  const content = () => element("content");
  const currentPath = () => location.pathname + location.search;
  let lastRequest = { path: currentPath() };
  // The position of the list in a narrow window, where the selected flow replaces it.
  let listPosition = 0;

  // Returns null for the page of a proxy.
  const parsePage = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    return page.querySelector("#content[data-page=front]") && page;
  };

  const createNotice = (text) => {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.setAttribute("role", "alert");
    notice.textContent = text;
    return notice;
  };

  // The list stays, so that another flow or a retry is one click away.
  const showProblem = (text) => {
    content().removeAttribute("aria-busy");
    const detail = element("detail");
    if (!detail) document.body.className = "text";
    (detail || content()).replaceChildren(createNotice(text));
  };

  const replaceAll = (page) => {
    document.body.className = page.body.className;
    content().replaceWith(document.importNode(page.getElementById("content"), true));
    document.querySelector("#flows [aria-current]")?.scrollIntoView({ block: "nearest" });
  };

  // The search field keeps its text and the focus, and the list its position.
  const replaceParts = (page, part) => {
    const list = element("list");
    const position = part === "detail" ? list.scrollTop : 0;
    for (const id of ["flows", "detail"]) {
      element(id).replaceChildren(...document.importNode(page.getElementById(id), true).childNodes);
    }
    content().toggleAttribute("data-selected", page.getElementById("content").hasAttribute("data-selected"));
    content().removeAttribute("aria-busy");
    list.scrollTop = position;
    element("detail").scrollTop = 0;
    if (NARROW.matches) window.scrollTo(0, "selected" in content().dataset ? 0 : listPosition);
  };

  const updateFilter = () => {
    const parameters = new URLSearchParams(location.search);
    for (const field of element("filter")?.elements || []) {
      if (field !== document.activeElement) field.value = parameters.get(field.name) || "";
    }
  };

  const showPage = (page, part) => {
    const loaded = page.getElementById("content");
    const hasParts = element("flows") && page.getElementById("flows");
    // A page without a list says why, unless the session has ended.
    const problem = element("flows") && loaded.dataset.session === "open" && loaded.querySelector("[role=alert]");
    document.title = page.title;
    if (problem && !hasParts) return showProblem(problem.textContent);
    if (hasParts && part !== "all") replaceParts(page, part);
    else replaceAll(page);
    updateFilter();
  };

  // Responses may arrive out of order, or after signing out. Only the one to the last request counts.
  const load = async (part = "all") => {
    const request = { path: currentPath(), token: session.token() };
    lastRequest = request;
    content().setAttribute("aria-busy", "true");
    const result = await httpClient.send(request.path, { headers: { Accept: "text/html" } }).catch((error) => error);
    if (lastRequest !== request) return;
    if (result instanceof Error) return showProblem(result.message);
    const page = parsePage(result.text);
    if (!page) return showProblem(httpClient.describeFault(result));
    showPage(page, part);
    if (page.getElementById("content").dataset.session === "rejected") {
      session.reject(content().querySelector("[role=alert]").textContent, request.token);
    }
  };

  const isPlainClick = (event) => !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

  const rememberPosition = () => {
    if (NARROW.matches && !("selected" in content().dataset)) listPosition = window.scrollY;
  };

  const followLink = async (link) => {
    rememberPosition();
    history.pushState(null, "", link.href);
    await load(link.dataset.inPlace);
    const isSelected = "selected" in content().dataset;
    element(isSelected && link.dataset.inPlace === "detail" ? "detail-title" : "flows")?.focus({ preventScroll: true });
  };

  const download = async (link) => {
    const problem = element("download-problem");
    problem.hidden = true;
    try {
      const result = await httpClient.send(link.dataset.download, { headers: { Accept: "*/*" } });
      if (!result.response.ok) throw new Error(httpClient.describeFault(result));
      saveFile(result.content, link.dataset.name);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  };

  const copy = async (button) => {
    const source = element(button.dataset.copy);
    element("copied").textContent = await clipboard.copy(source.textContent, "Mermaid source");
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-in-place], a[data-download], button[data-copy]");
    if (!link || !isPlainClick(event)) return;
    event.preventDefault();
    if (link.dataset.copy) copy(link);
    else if (link.dataset.download) download(link);
    else followLink(link);
  });

  // Each search replaces the address, so that the Back button leaves the list.
  const filterFlows = () => {
    const parameters = new URLSearchParams(new FormData(element("filter")));
    for (const [name, value] of [...parameters]) if (!value) parameters.delete(name);
    const flow = new URLSearchParams(location.search).get("flow");
    if (flow && !NARROW.matches) parameters.set("flow", flow);
    history.replaceState(null, "", `${location.pathname}${parameters.size ? "?" : ""}${parameters}`);
    load("list");
  };
  let pause;
  document.addEventListener("input", (event) => {
    if (!event.target.closest("#filter")) return;
    clearTimeout(pause);
    pause = setTimeout(filterFlows, TYPING_PAUSE_MILLISECONDS);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "filter") return;
    event.preventDefault();
    clearTimeout(pause);
    filterFlows();
  });
  document.addEventListener("keydown", (event) => {
    const search = element("search");
    if (event.key !== "/" || !search || event.target.closest("input, select, textarea, dialog")) return;
    event.preventDefault();
    search.select();
  });

  const readList = (path) => {
    const parameters = new URLSearchParams(path.split("?")[1]);
    parameters.delete("flow");
    return parameters.toString();
  };

  // A change of the fragment alone, as by the skip link, needs no request.
  window.addEventListener("popstate", () => {
    if (lastRequest.path === currentPath()) return;
    load(readList(lastRequest.path) === readList(currentPath()) ? "detail" : "list");
  });
  document.addEventListener("flowql:session", () => load());
  // A page from the back/forward cache may show the flows of a user who has signed out since.
  window.addEventListener("pageshow", (event) => event.persisted && load());
  if (session.token()) load();
})();
