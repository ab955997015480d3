"use strict";

(() => {
  const place = document.getElementById("graphiql");
  const { endpoint, introspection, tabs } = place.dataset;
  const examples = JSON.parse(tabs);
  const root = ReactDOM.createRoot(place);
  const plugins = [GraphiQLPluginExplorer.explorerPlugin({ showAttribution: false })];
  const logo = React.createElement(GraphiQL.Logo, { key: "logo" }, React.createElement("span"));

  // A text that ends as a picture's address does is no reason to ask another server for it.
  GraphiQL.React.ImagePreview.shouldRender = () => false;

  // For a moment after another tab is chosen, GraphiQL still names the operation of the one before.
  const named = ({ operationName, ...rest }) =>
    operationName && rest.query.includes(operationName) ? { operationName, ...rest } : rest;

  // As application/json, errors of a request come with 200, and GraphiQL tells of them.
  const fetcher = async (operation) => {
    const headers = { Accept: "application/json", "Content-Type": "application/json", ...session.headers() };
    const response = await fetch(endpoint, { method: "POST", headers, body: JSON.stringify(named(operation)) });
    const told = await response.json();
    if ([401, 403].includes(response.status)) session.refused(told.errors[0].message);
    return told;
  };

  const draw = () => {
    // The schema is told to who has signed in, if to anybody; another token is another GraphiQL.
    const known = session.token() && introspection === "on" ? {} : { schema: null };
    root.render(
      React.createElement(
        GraphiQL,
        {
          key: session.token() || "nobody",
          fetcher,
          plugins,
          defaultTabs: examples,
          defaultEditorToolsVisibility: "variables",
          // Its history would keep for good what headers are typed there, a token too.
          isHeadersEditorEnabled: false,
          ...known,
        },
        logo,
      ),
    );
  };

  document.addEventListener("flowql:session", draw);
  draw();
})();
