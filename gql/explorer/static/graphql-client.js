"use strict";

// Sends GraphQL operations to FlowQL. Every fault becomes a message in words.
const graphqlClient = (() => {
  const HEADERS = { Accept: "application/json", "Content-Type": "application/json" };
  const NO_RESPONSE = "No response from FlowQL. Check your network, and that FlowQL is running.";
  const REDIRECTED = "A proxy redirected the request, perhaps to its sign-in page. Reload this page.";
  const STOPPED = "Stopped";
  const GATEWAY_FAULTS = [502, 503, 504];
  const AUTHENTICATION_FAULTS = [401, 403, 407];

  // FlowQL responds with a JSON object. Anything else is from a proxy.
  const describeForeignResponse = (response) => {
    const type = (response.headers.get("Content-Type") || "no media type").split(";")[0];
    const found = `Expected JSON from FlowQL, but a proxy returned ${type} with status ${response.status}.`;
    if (GATEWAY_FAULTS.includes(response.status)) return `${found} Check that FlowQL is running.`;
    if (AUTHENTICATION_FAULTS.includes(response.status)) return `${found} Reload this page to sign in to the proxy.`;
    return `${found} Check the address and the settings of the proxy.`;
  };

  const parseObject = (text) => {
    try {
      const value = JSON.parse(text);
      return value && typeof value === "object" && !Array.isArray(value) ? value : null;
    } catch {
      return null;
    }
  };

  const readResult = async (response, started) => {
    const body = await response.arrayBuffer();
    const summary = request.summarize(response, performance.now() - started, body.byteLength);
    const result = parseObject(new TextDecoder().decode(body));
    if (response.status === 401 && result?.errors) session.reject(result.errors[0].message);
    return { result: result || { message: describeForeignResponse(response) }, summary };
  };

  // Returns the result and a summary. Does not throw.
  // With application/json, responses to invalid documents have status 200.
  const send = async (endpoint, operation, signal) => {
    const started = performance.now();
    const headers = { ...HEADERS, ...session.headers() };
    try {
      const response = await fetch(endpoint, { method: "POST", headers, body: JSON.stringify(operation), redirect: "manual", signal });
      if (response.type === "opaqueredirect") return { result: { message: REDIRECTED }, summary: "Redirected" };
      return await readResult(response, started);
    } catch {
      return signal?.aborted ? { result: {}, summary: STOPPED } : { result: { message: NO_RESPONSE }, summary: "No response" };
    }
  };

  return { send, STOPPED };
})();
