"use strict";

(() => {
  const container = document.getElementById("graphiql");
  const { endpoint, schema, styleNonce } = container.dataset;
  const { buildSchema, introspectionFromSchema } = GraphiQL.GraphQL;
  const { createElement } = React;
  const examples = JSON.parse(container.dataset.examples);
  const link = operationLink.read();
  const summaries = new Map();
  let linkProperties = {};
  const root = ReactDOM.createRoot(container);

  const MODIFIER = GraphiQL.React.isMacOs ? "Cmd" : "Ctrl";
  const NEW_TAB = `# Write a query. Ctrl-Space completes it, ${MODIFIER}-Enter runs it,\n# and ${MODIFIER}-K searches the documentation.\n\n`;
  const NO_SCHEMA = "This server does not publish its schema. Queries run without documentation and completion.";
  const SCHEMA_FAULT = "Could not load the schema. Check that FlowQL is running, then press 'Re-fetch GraphQL schema'.";

  // Opening a dialog makes GraphiQL add a style element, which requires a nonce.
  globalThis.__webpack_nonce__ = styleNonce;

  // GraphiQL would load images from the URLs in results, also from other servers.
  GraphiQL.React.ImagePreview.shouldRender = () => false;

  // GraphiQL unsubscribes if the user stops the operation or changes the tab.
  const execute = (operation) => ({
    subscribe: ({ next, complete }) => {
      const controller = new AbortController();
      const tab = summaries.activeTab;
      summaries.delete(tab);
      graphiqlToolbar.showNotice("");
      graphqlClient.send(endpoint, graphiqlToolbar.dropStaleName(operation), controller.signal).then(({ result, summary }) => {
        if (controller.signal.aborted) return;
        summaries.set(tab, summary);
        next(result);
        complete();
        container.querySelector(".graphiql-response")?.scrollIntoView({ block: "nearest" });
      });
      return {
        unsubscribe: () => {
          controller.abort();
          summaries.set(tab, "Stopped");
        },
      };
    },
  });

  // Unlike introspection, the schema as a file requires no token.
  const readSchema = async () => {
    try {
      const response = await fetch(schema);
      return { data: introspectionFromSchema(buildSchema(await response.text())) };
    } catch {
      return { message: SCHEMA_FAULT };
    }
  };

  // Only for operations, GraphiQL passes a documentAST.
  const fetcher = (operation, options) => ("documentAST" in options ? execute(operation) : readSchema());

  const documentation = {
    title: "Documentation Explorer",
    icon: GraphiQL.React.DocsIcon,
    content: () => createElement("p", null, NO_SCHEMA),
  };
  const plugins = schema ? [GraphiQLPluginExplorer.explorerPlugin({ showAttribution: false })] : [];
  const properties = {
    fetcher,
    plugins,
    defaultTabs: examples,
    defaultQuery: NEW_TAB,
    defaultEditorToolsVisibility: "variables",
    // GraphiQL's history would store headers permanently, including tokens.
    isHeadersEditorEnabled: false,
    shouldPersistHeaders: false,
    ...(schema ? {} : { schema: null, referencePlugin: documentation }),
  };
  const Commands = graphiqlToolbar.createCommands(endpoint, examples, link);
  const Summary = graphiqlToolbar.createSummary(summaries);
  const children = [
    createElement(GraphiQL.Logo, { key: "logo" }, createElement("span")),
    createElement(GraphiQL.Toolbar, { key: "toolbar" }, ({ prettify, merge, copy }) => [
      ...[prettify, merge, copy].map((button, key) => React.cloneElement(button, { key })),
      createElement(Commands, { key: "commands" }),
    ]),
    createElement(GraphiQL.Footer, { key: "footer" }, createElement(Summary)),
  ];

  // The key makes React create a new GraphiQL for each token, without the results of the previous user.
  const render = (others) => {
    const key = session.token() || "signed-out";
    root.render(createElement(GraphiQL, { key, ...properties, ...linkProperties, ...others }, children));
  };

  // forcedTheme sets GraphiQL's theme, but also removes the choice from its settings.
  const followTheme = () => {
    ReactDOM.flushSync(() => render({ forcedTheme: theme.get() }));
    render();
  };

  const chooseTheme = (event) => {
    const button = event.target.closest(".graphiql-dialog .graphiql-button-group button");
    if (button) theme.set(button.dataset.theme || "system");
  };

  // A reload finds the tab in the storage, where it may be edited.
  const isReload = () => performance.getEntriesByType("navigation")[0]?.type !== "navigate";

  // GraphiQL shows the properties if its storage is full.
  const openLink = () => {
    operationTabs.store(examples, link);
    linkProperties = { query: link.query, variables: link.variables };
  };

  // GraphiQL is created again, and finds the tab of the link in its storage.
  const changeSession = () => {
    linkProperties = {};
    summaries.clear();
    render();
  };

  // GraphiQL reads its theme from here when it starts.
  try {
    localStorage.setItem("graphiql:theme", theme.get());
  } catch {
    // The storage is full.
  }
  document.addEventListener("flowql:theme", followTheme);
  document.addEventListener("flowql:session", changeSession);
  document.addEventListener("click", chooseTheme);
  if (link && !isReload()) openLink();
  render();
})();
