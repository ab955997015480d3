// Generates types for the operations in src/ with the preset that GraphQL Code Generator recommends for clients.
import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: ["src/*.ts"],
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: { persistedDocuments: true },
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
