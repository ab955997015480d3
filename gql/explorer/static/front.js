"use strict";

// The server writes all that is seen here; this asks it with the token, which a link cannot bring.
(() => {
  const content = () => document.getElementById("content");

  const load = async (address) => {
    const headers = { Accept: "text/html", ...session.headers() };
    const response = await fetch(address, { headers });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const told = page.getElementById("content");
    document.title = page.title;
    content().replaceWith(document.importNode(told, true));
    if (session.token() && told.dataset.signedIn === "no") session.refused(told.querySelector("[role=alert]").textContent);
  };

  const follow = async (event) => {
    const link = event.target.closest("a[data-in-place]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    await load(link.href);
    document.querySelector(".picture")?.focus();
  };

  document.addEventListener("click", follow);
  window.addEventListener("popstate", () => load(location.href));
  document.addEventListener("flowql:session", () => load(location.href));
  if (session.token()) load(location.href);
})();
