// The schema rules that @graphql-eslint recommends, and those for Relay.
import { readFileSync } from "node:fs";
import graphqlEslint from "@graphql-eslint/eslint-plugin";
import { buildSchema, isObjectType } from "graphql";

const schema = buildSchema(readFileSync("schema.graphql", "utf8"));
const isNode = (type) => type.getInterfaces().some(({ name }) => name === "Node");
// Pages, edges and other types without Node have no id.
const withoutId = Object.values(schema.getTypeMap())
  .filter((type) => isObjectType(type) && !isNode(type))
  .map(({ name }) => name);
const { configs, parser } = graphqlEslint;

export default [
  {
    files: ["schema.graphql"],
    languageOptions: { parser, parserOptions: { graphQLConfig: { schema: "schema.graphql" } } },
    plugins: { "@graphql-eslint": graphqlEslint },
    rules: {
      ...configs["flat/schema-recommended"].rules,
      ...configs["flat/schema-relay"].rules,
      "@graphql-eslint/strict-id-in-types": ["error", { exceptions: { types: withoutId } }],
      // FlowConnection.nodes lists the nodes of the edges.
      "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false }],
    },
  },
];
