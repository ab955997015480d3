"use strict";

(() => {
  const container = document.getElementById("graphiql");
  const { endpoint, introspection, tabs } = container.dataset;
  const defaultTabs = JSON.parse(tabs);
  const root = ReactDOM.createRoot(container);
  const plugins = [GraphiQLPluginExplorer.explorerPlugin({ showAttribution: false })];
  const logo = React.createElement(GraphiQL.Logo, { key: "logo" }, React.createElement("span"));

  // GraphiQL would load images from the URLs in results, also from other servers.
  GraphiQL.React.ImagePreview.shouldRender = () => false;

  // Just after a change of tabs, GraphiQL still sends the operationName of the previous tab.
  const dropStaleName = ({ operationName, ...rest }) =>
    operationName && rest.query.includes(operationName) ? { operationName, ...rest } : rest;

  // With application/json, responses to invalid documents have status 200, and GraphiQL shows their errors.
  const fetcher = async (operation) => {
    const headers = { Accept: "application/json", "Content-Type": "application/json", ...session.headers() };
    const response = await fetch(endpoint, { method: "POST", headers, body: JSON.stringify(dropStaleName(operation)) });
    const result = await response.json();
    if ([401, 403].includes(response.status)) session.reject(result.errors[0].message);
    return result;
  };

  const render = () => {
    // Introspection requires a token. The key makes React create a new GraphiQL for each token.
    const schema = session.token() && introspection === "on" ? {} : { schema: null };
    root.render(
      React.createElement(
        GraphiQL,
        {
          key: session.token() || "signed-out",
          fetcher,
          plugins,
          defaultTabs,
          defaultEditorToolsVisibility: "variables",
          // GraphiQL's history would store headers permanently, including tokens.
          isHeadersEditorEnabled: false,
          ...schema,
        },
        logo,
      ),
    );
  };

  document.addEventListener("flowql:session", render);
  render();
})();
