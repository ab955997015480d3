// Print what npm's @goauthentik/api reads from the server at a URL, below /api/v3. The package comes from
// node_modules in the working directory; the token is in FLOWQL_TOKEN.
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { Configuration, FlowsApi } = require("@goauthentik/api");
const { version } = require("@goauthentik/api/package.json");

const flowsApi = (accessToken) =>
  new FlowsApi(new Configuration({ basePath: `${process.argv[2]}/api/v3`, accessToken }));

const slugs = (page) => page.results.map((flow) => flow.slug);

async function pages(api, parameters) {
  const all = [];
  for (let page = 1; page !== 0; page = all.at(-1).pagination.next) {
    all.push(await api.flowsInstancesList({ page, ...parameters }));
  }
  return all;
}

async function errorOf(api, slug) {
  try {
    await api.flowsInstancesRetrieve({ slug });
  } catch ({ response }) {
    return { status: response.status, body: await response.text() };
  }
  return {};
}

const api = flowsApi(process.env.FLOWQL_TOKEN);
const slug = "default-authentication-flow";
const results = {
  client: version,
  all: await api.flowsInstancesList({ pageSize: 100 }),
  designation: slugs(await api.flowsInstancesList({ designation: "stage_configuration" })),
  search: slugs(await api.flowsInstancesList({ search: "default setup" })),
  ordering: slugs(await api.flowsInstancesList({ ordering: "-slug", pageSize: 100 })),
  slug: slugs(await api.flowsInstancesList({ slug: "initial-setup" })),
  pages: (await pages(api, { pageSize: 5, ordering: "name" })).map(slugs),
  flow: await api.flowsInstancesRetrieve({ slug }),
  export: await (await api.flowsInstancesExportRetrieve({ slug })).text(),
  unknown_flow: await errorOf(api, "no-such-flow"),
  invalid_token: await errorOf(flowsApi("not-a-token"), slug),
};
process.stdout.write(JSON.stringify(results));
