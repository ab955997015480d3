// Print the id, name, status and reason of every audit of npm's graphql-http at a GraphQL endpoint. The package comes
// from node_modules in the working directory; the token is in FLOWQL_TOKEN.
import { createRequire } from "node:module";

const { auditServer } = createRequire(`${process.cwd()}/`)("graphql-http");

const fetchFn = (url, options = {}) =>
  fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${process.env.FLOWQL_TOKEN}` } });

const audits = await auditServer({ url: process.argv[2], fetchFn });
process.stdout.write(JSON.stringify(audits.map(({ id, name, status, reason }) => ({ id, name, status, reason }))));
