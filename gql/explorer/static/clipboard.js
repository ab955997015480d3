"use strict";

// The clipboard, also where browsers restrict it.
const clipboard = (() => {
  // navigator.clipboard requires HTTPS or localhost.
  const copySelection = (text) => {
    const element = document.createElement("span");
    element.className = "visually-hidden";
    element.textContent = text;
    element.addEventListener("copy", (event) => {
      event.preventDefault();
      event.stopPropagation();
      event.clipboardData.setData("text/plain", text);
    });
    document.body.append(element);
    getSelection().selectAllChildren(element);
    const isCopied = document.execCommand("copy");
    element.remove();
    return isCopied;
  };

  const write = (text) =>
    navigator.clipboard ? navigator.clipboard.writeText(text).then(() => true, () => copySelection(text)) : copySelection(text);

  // Returns a message about the result.
  const copy = async (text, name) =>
    (await write(text)) ? `${name} copied.` : "The browser does not allow this page to use the clipboard.";

  return { copy };
})();
