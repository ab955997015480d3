"use strict";

// Requests with the session's token, and their failures in words.
const request = (() => {
  const UNREACHABLE = "No response from FlowQL. Check that it is running.";
  const formatSize = (bytes) => (bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`);

  // Returns the response with its text and a summary; throws an error whose message is for people.
  const send = async (url, headers = {}) => {
    const start = performance.now();
    try {
      const response = await fetch(url, { headers: { ...session.headers(), ...headers } });
      const content = await response.blob();
      const milliseconds = Math.round(performance.now() - start);
      const summary = [response.status, `${milliseconds} ms`, formatSize(content.size)].join(" · ");
      return { response, content, text: await content.text(), summary };
    } catch {
      throw new Error(UNREACHABLE);
    }
  };

  // The reason that the server gives, or the status alone if a proxy responds with a page.
  const describe = ({ response, text }) => {
    try {
      return JSON.parse(text).detail || `The server returned status ${response.status}.`;
    } catch {
      return `The server returned status ${response.status}.`;
    }
  };

  const save = (content, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  return { send, describe, save };
})();
