"use strict";

// What GraphiQL lacks for who comes with a keyboard or a screen reader.
(() => {
  const place = document.getElementById("graphiql");
  const nameOf = (editor) => {
    if (editor.closest(".graphiql-editor-tool")) return "Variables";
    return editor.closest("[aria-label]").getAttribute("aria-label");
  };

  // Tab leads on, and Shift-Tab back; an editor would indent its text and never let go.
  const open = (editor) => {
    editor.dataset.open = "";
    editor.CodeMirror.addKeyMap({ Tab: false, "Shift-Tab": false });
    editor.querySelector("textarea").setAttribute("aria-label", nameOf(editor));
    editor.querySelector(".CodeMirror-scroll").tabIndex = 0;
  };

  // They are no tabs, since each holds a button more: a list of buttons, one for what is shown.
  const list = (tab) => {
    tab.querySelector("button").setAttribute("aria-current", tab.getAttribute("aria-selected"));
    for (const name of ["role", "aria-selected"]) tab.removeAttribute(name);
    tab.closest("[role=tablist]")?.removeAttribute("role");
  };

  // An operation of the past is called what it is called; all have the same label, which would hide that.
  const call = (past) => past.removeAttribute("aria-label");

  // What is chosen or typed in the explorer is the value of an argument, or the kind of a new operation.
  const say = (field) => {
    const argument = field.closest("[data-arg-name]");
    field.setAttribute("aria-label", argument ? argument.dataset.argName : field.placeholder || "New operation");
  };

  const attend = () => {
    place.querySelectorAll(".CodeMirror:not([data-open])").forEach(open);
    place.querySelectorAll(".graphiql-tab[aria-selected]").forEach(list);
    place.querySelectorAll(".graphiql-history-item-label[aria-label]").forEach(call);
    place.querySelectorAll(".docExplorerWrap :is(input, select):not([aria-label])").forEach(say);
  };

  new MutationObserver(attend).observe(place, { attributeFilter: ["aria-selected"], childList: true, subtree: true });
})();
