"use strict";

// The server renders the page. This script requests it with the token, which links cannot send.
(() => {
  const TYPING_PAUSE_MILLISECONDS = 250;
  const content = () => document.getElementById("content");
  const currentPath = () => location.pathname + location.search;
  let lastRequest = { path: currentPath() };

  const fetchPage = async (path) => {
    const { text } = await request.send(path, { Accept: "text/html" });
    return new DOMParser().parseFromString(text, "text/html");
  };

  const showError = (message) => {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.setAttribute("role", "alert");
    notice.textContent = message;
    document.body.className = "text";
    content().replaceChildren(notice);
  };

  const replaceAll = (page) => {
    document.body.className = page.body.className;
    content().replaceWith(document.importNode(page.getElementById("content"), true));
  };

  // The search field keeps its text and the focus, and the list its position.
  const replaceParts = (page, part) => {
    const list = document.getElementById("list");
    const position = part === "detail" ? list.scrollTop : 0;
    for (const id of ["flows", "detail"]) {
      document.getElementById(id).replaceChildren(...document.importNode(page.getElementById(id), true).childNodes);
    }
    content().toggleAttribute("data-selected", page.getElementById("content").hasAttribute("data-selected"));
    list.scrollTop = position;
    document.getElementById("detail").scrollTop = 0;
  };

  const updateFilter = () => {
    const filter = document.getElementById("filter");
    const parameters = new URLSearchParams(location.search);
    for (const field of filter?.elements || []) {
      if (field !== document.activeElement) field.value = parameters.get(field.name) || "";
    }
  };

  // Responses may arrive out of order, or after signing out. Only the one to the last request counts.
  const load = async (part = "all") => {
    const thisRequest = { path: currentPath() };
    lastRequest = thisRequest;
    content().setAttribute("aria-busy", "true");
    const page = await fetchPage(thisRequest.path).catch((error) => error);
    if (lastRequest !== thisRequest) return;
    const loaded = page instanceof Error ? null : page.getElementById("content");
    if (!loaded) return showError(page.message || "Could not load the page.");
    document.title = page.title;
    if (part !== "all" && document.getElementById("flows") && page.getElementById("flows")) replaceParts(page, part);
    else replaceAll(page);
    updateFilter();
    content().removeAttribute("aria-busy");
    if (session.token() && loaded.dataset.signedIn === "no") session.reject(loaded.querySelector("[role=alert]")?.textContent);
  };

  const isPlainClick = (event) => !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

  const followLink = async (link) => {
    history.pushState(null, "", link.href);
    const part = link.dataset.inPlace || "list";
    await load(part);
    document.getElementById(part === "detail" ? "detail-title" : "flows")?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  };

  const download = async (link) => {
    const problem = document.getElementById("download-problem");
    problem.hidden = true;
    try {
      const result = await request.send(link.dataset.download, { Accept: "*/*" });
      if (!result.response.ok) throw new Error(request.describe(result));
      request.save(result.content, link.dataset.name);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  };

  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    document.getElementById("copied").textContent = await clipboard.copy(source.textContent, "Mermaid source");
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
    const parameters = new URLSearchParams(new FormData(document.getElementById("filter")));
    for (const [name, value] of [...parameters]) if (!value) parameters.delete(name);
    const flow = new URLSearchParams(location.search).get("flow");
    if (flow && !matchMedia("(max-width: 45rem)").matches) parameters.set("flow", flow);
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
    const search = document.getElementById("search");
    if (event.key !== "/" || !search || event.target.closest("input, select, textarea, dialog")) return;
    event.preventDefault();
    search.select();
  });

  // A change of the fragment alone, as by the skip link, needs no request.
  window.addEventListener("popstate", () => lastRequest.path === currentPath() || load("list"));
  document.addEventListener("flowql:session", () => load());
  // A page from the back/forward cache may show the flows of a user who has signed out since.
  window.addEventListener("pageshow", (event) => event.persisted && load());
  if (session.token()) load();
})();
