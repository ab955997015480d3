"use strict";

// The server renders the page. This script requests it with the token, which links cannot send.
(() => {
  const content = () => document.getElementById("content");
  const currentPath = () => location.pathname + location.search;
  let lastRequest = { path: currentPath() };

  const fetchPage = async (path) => {
    const headers = { Accept: "text/html", ...session.headers() };
    const response = await fetch(path, { headers });
    return new DOMParser().parseFromString(await response.text(), "text/html");
  };

  const showError = () => {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.setAttribute("role", "alert");
    notice.textContent = "Could not load the page. Check that FlowQL and its database are running.";
    content().replaceChildren(notice);
  };

  // Responses may arrive out of order, or after signing out. Only the one to the last request counts.
  const load = async () => {
    const request = { path: currentPath() };
    lastRequest = request;
    const page = await fetchPage(request.path).catch(() => null);
    if (lastRequest !== request) return;
    const loaded = page?.getElementById("content");
    if (!loaded) return showError();
    document.title = page.title;
    content().replaceWith(document.importNode(loaded, true));
    if (session.token() && loaded.dataset.signedIn === "no") session.reject(loaded.querySelector("[role=alert]").textContent);
  };

  const followLink = async (event) => {
    const link = event.target.closest("a[data-in-place]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    await load();
    document.querySelector(".diagram")?.focus();
  };

  document.addEventListener("click", followLink);
  // A change of the fragment alone, as by the skip link, needs no request.
  window.addEventListener("popstate", () => lastRequest.path === currentPath() || load());
  document.addEventListener("flowql:session", load);
  // A page from the back/forward cache may show the flows of a user who has signed out since.
  window.addEventListener("pageshow", (event) => event.persisted && load());
  if (session.token()) load();
})();
