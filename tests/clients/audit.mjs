// Print what npm's graphql-http finds of the GraphQL endpoint whose URL is given: every audit's id, name, status
// and reason. The package is the one in the node_modules of the folder that this is run in; the token is in FLOWQL_TOKEN.
import { createRequire } from "node:module";

const { auditServer } = createRequire(`${process.cwd()}/`)("graphql-http");

const fetchFn = (url, options = {}) =>
  fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${process.env.FLOWQL_TOKEN}` } });

const results = await auditServer({ url: process.argv[2], fetchFn });
process.stdout.write(JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason }))));
