"use strict";

// GraphiQL's tabs, in the format in which it stores them.
const operationTabs = (() => {
  const STORAGE_KEY = "graphiql:tabState";

  const createTab = ({ query, variables, operationName }, index) => ({
    id: `${Date.now()}-${index}`,
    title: operationName || /^\s*(?:query|mutation)\s+(\w+)/m.exec(query)?.[1] || "<untitled>",
    query,
    variables,
    headers: null,
    operationName: operationName || null,
    response: null,
  });

  const isSame = (tab, operation) => tab.query === operation.query && (tab.variables || "") === operation.variables;

  // Adds tabs for operations that have none, and selects the one of the first operation.
  const open = (tabs, operations) => {
    const missing = operations.filter((operation) => !tabs.some((tab) => isSame(tab, operation)));
    const all = [...tabs, ...missing.map(createTab)];
    return { tabs: all, activeTabIndex: all.findIndex((tab) => isSame(tab, operations[0])) };
  };

  // Returns null if there are no tabs, or no valid ones.
  const read = () => {
    try {
      const { tabs } = JSON.parse(localStorage.getItem(STORAGE_KEY));
      return tabs.every((tab) => tab.id) ? tabs : null;
    } catch {
      return null;
    }
  };

  // GraphiQL restores the active tab by the last content of its editors.
  const write = (tabs, { query, variables }) => {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(tabs));
    localStorage.setItem("graphiql:query", query);
    localStorage.setItem("graphiql:variables", variables);
  };

  // Stores a tab for an operation, beside those of the last visit or the examples.
  const store = (examples, operation) => {
    try {
      write(open(read() || open([], examples).tabs, [operation]), operation);
    } catch {
      // The storage is full.
    }
  };

  return { open, store };
})();
