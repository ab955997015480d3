"use strict";

// Makes GraphiQL accessible by keyboard and screen reader.
(() => {
  const container = document.getElementById("graphiql");
  const editorName = (editor) => {
    if (editor.closest(".graphiql-editor-tool")) return "Variables";
    return editor.closest("[aria-label]").getAttribute("aria-label");
  };

  // Tab and Shift-Tab move the focus. By default they indent the text, which traps the keyboard.
  const releaseFocus = (editor) => {
    editor.dataset.open = "";
    editor.CodeMirror.addKeyMap({ Tab: false, "Shift-Tab": false });
    editor.querySelector("textarea").setAttribute("aria-label", editorName(editor));
    editor.querySelector(".CodeMirror-scroll").tabIndex = 0;
  };

  // The role "tab" must not contain the close button, so the tabs become a list of buttons.
  const convertTab = (tab) => {
    tab.querySelector("button").setAttribute("aria-current", tab.getAttribute("aria-selected"));
    for (const name of ["role", "aria-selected"]) tab.removeAttribute(name);
    tab.closest("[role=tablist]")?.removeAttribute("role");
  };

  // All items of the history have the same label, which hides the names of their operations.
  const removeLabel = (item) => item.removeAttribute("aria-label");

  // A field of the explorer holds the value of an argument, or the type of a new operation.
  const labelField = (field) => {
    const argument = field.closest("[data-arg-name]");
    field.setAttribute("aria-label", argument ? argument.dataset.argName : field.placeholder || "New operation");
  };

  const update = () => {
    container.querySelectorAll(".CodeMirror:not([data-open])").forEach(releaseFocus);
    container.querySelectorAll(".graphiql-tab[aria-selected]").forEach(convertTab);
    container.querySelectorAll(".graphiql-history-item-label[aria-label]").forEach(removeLabel);
    container.querySelectorAll(".docExplorerWrap :is(input, select):not([aria-label])").forEach(labelField);
  };

  new MutationObserver(update).observe(container, { attributeFilter: ["aria-selected"], childList: true, subtree: true });
})();
