// The rules for a schema that @graphql-eslint recommends, and those that Relay asks for.
import { readFileSync } from "node:fs";
import graphqlEslint from "@graphql-eslint/eslint-plugin";
import { buildSchema, isObjectType } from "graphql";

const schema = buildSchema(readFileSync("schema.graphql", "utf8"));
const isNode = (type) => type.getInterfaces().some(({ name }) => name === "Node");
// A page, an edge or an answer of its own has no identity.
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
      // FlowConnection.nodes is a list of what the edges lead to.
      "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false }],
    },
  },
];
