"use strict";

// Requests with the session's token. Every fault becomes a message for people.
const httpClient = (() => {
  const NO_RESPONSE = "No response from FlowQL. Check your network, and that FlowQL is running.";
  const REDIRECTED = "A proxy redirected the request, perhaps to its sign-in page. Reload this page.";
  const INVALID_TOKEN = "Token invalid/expired";
  const GATEWAY_FAULTS = [502, 503, 504];
  const AUTHENTICATION_FAULTS = [401, 403, 407];

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

  // Returns null if the text is not a JSON object, as all objects of FlowQL are.
  const parseObject = (text) => {
    try {
      const value = JSON.parse(text);
      return value && typeof value === "object" && !Array.isArray(value) ? value : null;
    } catch {
      return null;
    }
  };

  // FlowQL's errors are JSON objects. Anything else is from a proxy.
  const describeFault = ({ response, text }) => {
    const detail = parseObject(text)?.detail;
    if (detail) return detail;
    const type = (response.headers.get("Content-Type") || "no media type").split(";")[0];
    const description = `Expected a response of FlowQL, but a proxy returned ${type} with status ${response.status}.`;
    if (GATEWAY_FAULTS.includes(response.status)) return `${description} Check that FlowQL is running.`;
    if (AUTHENTICATION_FAULTS.includes(response.status)) return `${description} Reload this page to sign in to the proxy.`;
    return `${description} Check the address and the settings of the proxy.`;
  };

  // REST rejects a token with 403, like a missing permission.
  const rejectToken = ({ response, text }, token) => {
    const body = AUTHENTICATION_FAULTS.includes(response.status) ? parseObject(text) : null;
    const message = body?.detail || body?.errors?.[0]?.message;
    if (message && (response.status === 401 || message === INVALID_TOKEN)) session.reject(message, token);
  };

  const reportNoResponse = () => {
    throw new Error(NO_RESPONSE);
  };

  // Returns the response with its content, also as text, and a summary.
  // Throws an error with a message if there is no response of FlowQL or of a proxy.
  const send = async (url, { headers, ...options } = {}) => {
    const token = session.token();
    const start = performance.now();
    const request = { ...options, headers: { ...session.headers(), ...headers }, redirect: "manual" };
    const response = await fetch(url, request).catch(reportNoResponse);
    if (response.type === "opaqueredirect") throw new Error(REDIRECTED);
    const content = await response.arrayBuffer().catch(reportNoResponse);
    const summary = summarize(response, performance.now() - start, content.byteLength);
    const result = { response, content, text: new TextDecoder().decode(content), summary };
    rejectToken(result, token);
    return result;
  };

  return { send, parseObject, describeFault };
})();
