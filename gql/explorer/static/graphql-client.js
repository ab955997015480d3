"use strict";

// Sends GraphQL operations to FlowQL. Every fault becomes a message in words.
const graphqlClient = (() => {
  const HEADERS = { Accept: "application/json", "Content-Type": "application/json" };
  const STOPPED = "Stopped";

  // Returns the result and a summary. Does not throw.
  // With application/json, responses to invalid documents have status 200.
  const send = async (endpoint, operation, signal) => {
    try {
      const response = await httpClient.send(endpoint, { method: "POST", headers: HEADERS, body: JSON.stringify(operation), signal });
      const result = httpClient.parseObject(response.text) || { message: httpClient.describeFault(response) };
      return { result, summary: response.summary };
    } catch (error) {
      return signal?.aborted ? { result: {}, summary: STOPPED } : { result: { message: error.message }, summary: "No response" };
    }
  };

  return { send, STOPPED };
})();
