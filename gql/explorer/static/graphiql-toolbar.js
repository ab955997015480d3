"use strict";

// The commands that FlowQL adds to GraphiQL's toolbar, and the footer of the response.
const graphiqlToolbar = (() => {
  const { createElement, Fragment, useEffect } = React;
  const { ToolbarButton, ToolbarMenu, useEditorContext, useExecutionContext } = GraphiQL.React;
  const ICONS = {
    link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.2 1.2M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.2-1.2",
    code: "M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 4l-3 16",
    examples: "M4 5h7v14H4zM13 5h7v14h-7zM6.5 9H9M15.5 9H18M6.5 12H9M15.5 12H18",
  };

  const renderIcon = (name) =>
    createElement(
      "svg",
      { className: "graphiql-toolbar-icon", viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", strokeWidth: 1.5, "aria-hidden": true },
      createElement("path", { d: ICONS[name] }),
    );

  const showNotice = (text) => {
    document.getElementById("notice").textContent = text;
  };

  // Just after a change of tabs, GraphiQL still has the operationName of the previous tab.
  const dropStaleName = ({ operationName, ...rest }) =>
    operationName && rest.query.includes(operationName) ? { operationName, ...rest } : rest;

  const readOperation = ({ queryEditor, variableEditor }) =>
    dropStaleName({
      query: queryEditor.getValue(),
      variables: variableEditor.getValue(),
      operationName: queryEditor.operationName,
    });

  const copyCode = (language, endpoint, editors) => {
    try {
      const code = operationCode.build(language, endpoint, readOperation(editors));
      return clipboard.copy(code, `Code for ${language}`);
    } catch (error) {
      return `The variables are not a JSON object: ${error.message}`;
    }
  };

  // Opens examples in new tabs, except for those that are open, and selects the first one.
  const openExamples = ({ tabs, moveTab, changeTab }, examples) => {
    const opened = operationTabs.open(tabs, examples);
    moveTab(opened.tabs);
    changeTab(opened.activeTabIndex);
  };

  // The document of a link may contain several operations.
  const selectOperation = ({ queryEditor, setOperationName }, name) => {
    const operation = queryEditor.operations?.find((definition) => definition.name?.value === name);
    if (!operation) return showNotice(`The link's operation '${name}' is not in its document.`);
    setOperationName(name);
    queryEditor.setCursor(queryEditor.posFromIndex(operation.loc.start));
  };

  const createCommands = (endpoint, examples, link) => () => {
    const context = useEditorContext({ nonNull: true });
    const { queryEditor } = context;
    const copyLink = async () => showNotice(await operationLink.copy(endpoint, readOperation(context)));

    useEffect(() => {
      const isLinkActive = link?.operationName && queryEditor?.getValue() === link.query;
      if (isLinkActive) selectOperation(context, link.operationName);
    }, [queryEditor]);

    const renderMenu = (label, icon, items) =>
      createElement(
        ToolbarMenu,
        { label, button: renderIcon(icon), modal: false },
        items.map(([name, onSelect]) => createElement(ToolbarMenu.Item, { key: name, onSelect }, name)),
      );
    return createElement(
      Fragment,
      null,
      createElement(ToolbarButton, { label: "Copy link", onClick: copyLink }, renderIcon("link")),
      renderMenu("Copy as code", "code", operationCode.languages.map((language) => [
        `Copy as ${language}`,
        async () => showNotice(await copyCode(language, endpoint, context)),
      ])),
      renderMenu("Examples", "examples", [
        ...examples.map((example) => [example.title, () => openExamples(context, [example])]),
        ["All examples", () => openExamples(context, examples)],
      ]),
    );
  };

  // Summaries are kept by tab, as GraphiQL keeps the responses.
  const createSummary = (summaries) => () => {
    const { tabs, activeTabIndex } = useEditorContext({ nonNull: true });
    useExecutionContext({ nonNull: true });
    const { id } = tabs[activeTabIndex];
    summaries.activeTab = id;
    return createElement(
      Fragment,
      null,
      createElement("p", { id: "response-summary", role: "status", "aria-live": "polite", "aria-label": "Response" }, summaries.get(id)),
      createElement("p", { id: "notice", role: "status" }),
    );
  };

  return { createCommands, createSummary, dropStaleName, showNotice };
})();
