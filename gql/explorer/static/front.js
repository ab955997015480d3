"use strict";

// The server writes all that is seen here; this asks it with the token, which a link cannot bring.
(() => {
  const content = () => document.getElementById("content");
  const shown = () => location.pathname + location.search;
  let asked = { address: shown() };

  const page = async (address) => {
    const headers = { Accept: "text/html", ...session.headers() };
    const response = await fetch(address, { headers });
    return new DOMParser().parseFromString(await response.text(), "text/html");
  };

  const complain = () => {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.setAttribute("role", "alert");
    notice.textContent = "FlowQL does not answer as it should. Is it, and its database, running?";
    content().replaceChildren(notice);
  };

  // What was asked for first may come last, and be for who has signed out since.
  const load = async () => {
    const mine = { address: shown() };
    asked = mine;
    const found = await page(mine.address).catch(() => null);
    if (asked !== mine) return;
    const told = found?.getElementById("content");
    if (!told) return complain();
    document.title = found.title;
    content().replaceWith(document.importNode(told, true));
    if (session.token() && told.dataset.signedIn === "no") session.refused(told.querySelector("[role=alert]").textContent);
  };

  const follow = async (event) => {
    const link = event.target.closest("a[data-in-place]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    await load();
    document.querySelector(".picture")?.focus();
  };

  document.addEventListener("click", follow);
  // A step within the page, as the link to its content makes it, changes nothing.
  window.addEventListener("popstate", () => asked.address === shown() || load());
  document.addEventListener("flowql:session", load);
  // A page that a browser has kept may be of who has signed out since.
  window.addEventListener("pageshow", (event) => event.persisted && load());
  if (session.token()) load();
})();
