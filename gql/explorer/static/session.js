"use strict";

// The session: a token in the tab's session storage, sent only in the Authorization header.
const session = (() => {
  const TOKEN_KEY = "flowql:token";
  const NAME_KEY = "flowql:name";
  const PAGE_TOKEN_KEY = "flowql:page-token";
  const { root, token: pageToken } = document.documentElement.dataset;
  const element = (id) => document.getElementById(id);
  const dialog = element("sign-in");
  const field = element("sign-in-token");
  const problem = element("sign-in-problem");

  // Friendlier messages for the errors that authentik's API defines.
  const MESSAGES = {
    "Token invalid/expired": "Invalid token. Check that it is complete, has not expired and has the intent API.",
    "You do not have permission to perform this action.": "The token is valid, but does not have permission to view flows.",
  };
  const translate = (detail) => MESSAGES[detail] || detail;

  const token = () => sessionStorage.getItem(TOKEN_KEY) || "";

  // fetch() accepts only Latin-1 in headers. Each character stands for one byte of the UTF-8 encoding.
  const authorization = (text) => ({
    Authorization: `Bearer ${String.fromCharCode(...new TextEncoder().encode(text))}`,
  });
  const headers = () => (token() ? authorization(token()) : {});

  // Returns the name of the token's user, or a message if the token is invalid.
  const verify = async (text) => {
    const headers = { Accept: "application/json", ...authorization(text) };
    const result = await httpClient.send(`${root}/`, { headers }).catch((error) => error);
    if (result instanceof Error) return { message: result.message };
    const index = httpClient.parseObject(result.text);
    if (index?.authenticated) return { name: index.viewer };
    return { message: translate(index?.detail || httpClient.describeFault(result)) };
  };

  const updateButton = () => {
    const name = sessionStorage.getItem(NAME_KEY);
    element("session-state").textContent = token() ? `Signed in${name ? ` as ${name}` : ""}` : "Not signed in";
    element("session-state").title = name || "";
    element("session-button").textContent = token() ? "Sign out" : "Sign in";
  };

  const setToken = (text, name = "") => {
    sessionStorage.setItem(TOKEN_KEY, text);
    sessionStorage.setItem(NAME_KEY, name);
    updateButton();
    document.dispatchEvent(new Event("flowql:session"));
  };

  const openDialog = (message = "") => {
    problem.textContent = translate(message);
    field.value = "";
    field.removeAttribute("aria-invalid");
    if (!dialog.open) dialog.showModal();
    field.focus();
  };

  const submit = async (event) => {
    event.preventDefault();
    // Invisible characters get pasted by mistake, and headers forbid most of them.
    const text = field.value.replace(/\p{C}/gu, "").trim().replace(/^bearer(\s+|$)/i, "");
    problem.textContent = "";
    const { message = "", name } = text ? await verify(text) : { message: "Enter a token." };
    if (!dialog.open) return;
    problem.textContent = message;
    if (message) {
      field.setAttribute("aria-invalid", "true");
      field.focus();
      return;
    }
    field.value = "";
    dialog.close();
    setToken(text, name);
  };

  element("sign-in-form").addEventListener("submit", submit);
  element("sign-in-cancel").addEventListener("click", () => dialog.close());
  element("session-button").addEventListener("click", () => (token() ? setToken("") : openDialog()));
  element("session").hidden = false;
  // A page with a token signs in once. After signing out, only another token signs in again.
  if (pageToken && sessionStorage.getItem(PAGE_TOKEN_KEY) !== pageToken) {
    sessionStorage.setItem(PAGE_TOKEN_KEY, pageToken);
    sessionStorage.setItem(TOKEN_KEY, pageToken);
    sessionStorage.removeItem(NAME_KEY);
  }
  updateButton();
  const loadName = async () => {
    const verified = token();
    const { name = "" } = await verify(verified);
    if (token() !== verified) return;
    sessionStorage.setItem(NAME_KEY, name);
    updateButton();
  };
  // The page's own token comes without the name of its user.
  if (token() && !sessionStorage.getItem(NAME_KEY)) loadName();

  // Drops a token that the server no longer accepts and asks for another one.
  // The user may have signed in with another token since the request.
  const reject = (message, rejected = token()) => {
    if (rejected !== token()) return;
    setToken("");
    openDialog(message);
  };
  return { token, headers, reject };
})();
