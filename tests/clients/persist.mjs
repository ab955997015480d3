// Print how Apollo Client fares with its persisted queries at the GraphQL endpoint whose URL is given: for POST and
// for GET the answers to a query that is asked twice, and what went over the wire. The client is the one in the
// node_modules of the folder that this is run in; the token is in FLOWQL_TOKEN.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { ApolloClient, HttpLink, InMemoryCache, gql } = require("@apollo/client");
const { PersistedQueryLink } = require("@apollo/client/link/persisted-queries");

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

async function asked(useGETForHashedQueries, query) {
  const requests = [];
  const recording = async (url, options) => {
    const response = await fetch(url, options);
    const sent = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(url).searchParams);
    requests.push({ method: options.method, query: "query" in sent, status: response.status });
    return response;
  };
  const headers = { authorization: `Bearer ${process.env.FLOWQL_TOKEN}` };
  const http = new HttpLink({ uri: process.argv[2], headers, fetch: recording });
  const link = new PersistedQueryLink({ sha256, useGETForHashedQueries }).concat(http);
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const answers = [];
  for (const slug of ["initial-setup", "default-authentication-flow"]) {
    const { data } = await client.query({ query, variables: { slug }, fetchPolicy: "network-only" });
    answers.push(data.flow.slug);
  }
  return { answers, requests };
}

const byPost = gql`query ByPost($slug: String!) { flow(slug: $slug) { slug } }`;
const byGet = gql`query ByGet($slug: String!) { flow(slug: $slug) { slug } }`;
process.stdout.write(JSON.stringify({ POST: await asked(false, byPost), GET: await asked(true, byGet) }));
