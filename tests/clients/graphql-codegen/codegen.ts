// Types for the operations in src/, by the preset that GraphQL Code Generator recommends to clients.
import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: ["src/*.ts"],
  generates: {
    "src/gql/": {
      preset: "client",
      config: {
        scalars: { UUID: { input: "string", output: "string" } },
        defaultScalarType: "unknown",
        strictScalars: true,
        enumsAsTypes: true,
      },
    },
  },
};

export default config;
