"use strict";

// Requests with the session's token, and their failures in words.
const request = (() => {
  const UNREACHABLE = "No response from FlowQL. Check that it is running.";

  const formatTime = (milliseconds) =>
    milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;

  const formatSize = (bytes) => {
    if (bytes < 1000) return `${bytes} B`;
    return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  };

  // The header is a number of seconds or a date.
  const describeRetry = (value) => {
    if (!/^\d+$/.test(value)) return `try again after ${value}`;
    return `try again in ${value} ${value === "1" ? "second" : "seconds"}`;
  };

  // Returns status, time and size, such as "200 · 14 ms · 2.1 kB".
  const summarize = (response, milliseconds, bytes) => {
    const retry = response.headers.get("Retry-After");
    const parts = [response.status, formatTime(milliseconds), formatSize(bytes), ...(retry ? [describeRetry(retry)] : [])];
    return parts.join(" · ");
  };

  // Returns the response with its text and a summary; throws an error whose message is for people.
  const send = async (url, headers = {}) => {
    const start = performance.now();
    try {
      const response = await fetch(url, { headers: { ...session.headers(), ...headers } });
      const content = await response.blob();
      const summary = summarize(response, performance.now() - start, content.size);
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
  return { send, summarize, describe, save };
})();
