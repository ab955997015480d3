"use strict";

// The theme of all pages: "light", "dark", or "system", which is the default.
const theme = (() => {
  const KEY = "flowql:theme";
  const page = document.documentElement;
  const get = () => localStorage.getItem(KEY) || "system";

  const apply = () => {
    if (get() === "system") delete page.dataset.theme;
    else page.dataset.theme = get();
    const select = document.getElementById("theme");
    if (select) select.value = get();
    document.dispatchEvent(new Event("flowql:theme"));
  };

  // Without space in the storage, the choice is lost.
  const store = (value) => {
    try {
      localStorage.setItem(KEY, value);
    } catch {
      localStorage.removeItem(KEY);
    }
  };

  const set = (value) => {
    if (value === "system") localStorage.removeItem(KEY);
    else store(value);
    apply();
  };

  apply();
  // Another tab, or this page before the browser kept it for the Back button, may have another theme.
  window.addEventListener("storage", (event) => event.key === KEY && apply());
  window.addEventListener("pageshow", (event) => event.persisted && apply());
  document.addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    select.hidden = false;
    select.value = get();
    select.addEventListener("change", () => set(select.value));
  });
  return { get, set };
})();
