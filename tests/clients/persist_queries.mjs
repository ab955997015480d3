// Print the results and the requests of Apollo Client's persisted queries at a GraphQL endpoint: for POST and for GET,
// the same query twice. The client comes from node_modules in the working directory; the token is in FLOWQL_TOKEN.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { ApolloClient, HttpLink, InMemoryCache, gql } = require("@apollo/client");
const { PersistedQueryLink } = require("@apollo/client/link/persisted-queries");

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

async function queryTwice(useGETForHashedQueries, query) {
  const requests = [];
  const recordingFetch = async (url, options) => {
    const response = await fetch(url, options);
    const parameters = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(url).searchParams);
    requests.push({ method: options.method, hasQuery: "query" in parameters, status: response.status });
    return response;
  };
  const headers = { authorization: `Bearer ${process.env.FLOWQL_TOKEN}` };
  const http = new HttpLink({ uri: process.argv[2], headers, fetch: recordingFetch });
  const link = new PersistedQueryLink({ sha256, useGETForHashedQueries }).concat(http);
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const slugs = [];
  for (const slug of ["initial-setup", "default-authentication-flow"]) {
    const { data } = await client.query({ query, variables: { slug }, fetchPolicy: "network-only" });
    slugs.push(data.flow.slug);
  }
  return { slugs, requests };
}

const byPost = gql`query ByPost($slug: String!) { flow(slug: $slug) { slug } }`;
const byGet = gql`query ByGet($slug: String!) { flow(slug: $slug) { slug } }`;
process.stdout.write(JSON.stringify({ POST: await queryTwice(false, byPost), GET: await queryTwice(true, byGet) }));
