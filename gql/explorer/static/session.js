"use strict";

// Who asks: a token that this tab keeps as long as it lives, and that is sent as a header alone.
const session = (() => {
  const KEY = "flowql:token";
  const GIVEN = "flowql:given";
  const { root, token: given } = document.documentElement.dataset;
  const element = (id) => document.getElementById(id);
  const dialog = element("sign-in");
  const field = element("sign-in-token");
  const problem = element("sign-in-problem");

  // What authentik's words for programs mean to people.
  const WORDS = {
    "Token invalid/expired": "No such token is known: it is mistyped, has ended, or is not for the API.",
    "You do not have permission to perform this action.": "The token is good, but may see no flow.",
  };
  const said = (detail) => WORDS[detail] || detail;

  const token = () => sessionStorage.getItem(KEY) || "";

  // A header has bytes; those of UTF-8, whatever somebody pastes.
  const bearer = (text) => ({
    Authorization: `Bearer ${String.fromCharCode(...new TextEncoder().encode(text))}`,
  });
  const headers = () => (token() ? bearer(token()) : {});

  // What is wrong with a token, in words; nothing if all is well.
  const flaw = async (text) => {
    try {
      const response = await fetch(`${root}/`, { headers: { Accept: "application/json", ...bearer(text) } });
      const told = await response.json();
      return told.authenticated ? "" : said(told.detail);
    } catch {
      return "FlowQL does not answer. Is it running?";
    }
  };

  const show = () => {
    element("session-state").textContent = token() ? "Signed in" : "Not signed in";
    element("session-button").textContent = token() ? "Sign out" : "Sign in";
  };

  const become = (text) => {
    sessionStorage.setItem(KEY, text);
    show();
    document.dispatchEvent(new Event("flowql:session"));
  };

  const ask = (why = "") => {
    problem.textContent = said(why);
    field.value = "";
    field.removeAttribute("aria-invalid");
    if (!dialog.open) dialog.showModal();
    field.focus();
  };

  const submit = async (event) => {
    event.preventDefault();
    // What cannot be seen is pasted by mistake, and much of it no header can have.
    const text = field.value.replace(/\p{C}/gu, "").trim().replace(/^bearer(\s+|$)/i, "");
    problem.textContent = "";
    const wrong = text ? await flaw(text) : "There is no token yet.";
    if (!dialog.open) return;
    problem.textContent = wrong;
    if (wrong) {
      field.setAttribute("aria-invalid", "true");
      field.focus();
      return;
    }
    field.value = "";
    dialog.close();
    become(text);
  };

  element("sign-in-form").addEventListener("submit", submit);
  element("sign-in-cancel").addEventListener("click", () => dialog.close());
  element("session-button").addEventListener("click", () => (token() ? become("") : ask()));
  element("session").hidden = false;
  // Who has signed out has an empty token, and stays so until a page gives another.
  if (given && sessionStorage.getItem(GIVEN) !== given) {
    sessionStorage.setItem(GIVEN, given);
    sessionStorage.setItem(KEY, given);
  }
  show();

  // A token that was good and is no more: it is forgotten, and another asked for.
  const refused = (why) => {
    become("");
    ask(why);
  };
  return { token, headers, refused };
})();
