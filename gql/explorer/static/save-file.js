"use strict";

// Saves content as a file, as a link that downloads it would.
const saveFile = (content, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = name;
  link.click();
  // Some browsers start to read the content later.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};
