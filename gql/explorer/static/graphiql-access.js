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
    if (tab.getAttribute("aria-selected") === "true") tab.scrollIntoView({ block: "nearest", inline: "nearest" });
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

  const nextFrame = () => new Promise(requestAnimationFrame);
  const find = (selector) => container.querySelector(selector);

  // Only the pages of types with fields have a search box. The first page has one.
  const searchDocumentation = async () => {
    find("[aria-label='Show Documentation Explorer']")?.click();
    await nextFrame();
    while (!find(".graphiql-doc-explorer-search input") && find(".graphiql-doc-explorer-back")) {
      find(".graphiql-doc-explorer-back").click();
      await nextFrame();
    }
    find(".graphiql-doc-explorer-search input")?.focus();
  };

  const isModal = () => document.querySelector("dialog[open], [role=dialog][data-state=open]");
  const isKey = (event, key, isShifted) => event.key.toLowerCase() === key && event.shiftKey === isShifted && !event.altKey;

  // GraphiQL documents these keys, but its own handlers miss Ctrl-K and do not prevent a reload by Ctrl-Shift-R.
  const handleKey = (event) => {
    if (event.ctrlKey && isKey(event, "r", true)) event.preventDefault();
    if (!(event.ctrlKey || event.metaKey) || !isKey(event, "k", false) || isModal()) return;
    event.preventDefault();
    event.stopPropagation();
    searchDocumentation();
  };

  document.addEventListener("keydown", handleKey, { capture: true });
  new MutationObserver(update).observe(container, { attributeFilter: ["aria-selected"], childList: true, subtree: true });
})();
