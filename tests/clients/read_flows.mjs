// Print what npm's @goauthentik/api reads from the server whose URL is given, under /api/v3.
// The client is the one in the node_modules of the folder that this is run in; the token is in FLOWQL_TOKEN.
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

async function refusal(api, slug) {
  try {
    await api.flowsInstancesRetrieve({ slug });
  } catch ({ response }) {
    return { status: response.status, body: await response.text() };
  }
  return {};
}

const api = flowsApi(process.env.FLOWQL_TOKEN);
const slug = "default-authentication-flow";
const answers = {
  client: version,
  all: await api.flowsInstancesList({ pageSize: 100 }),
  designation: slugs(await api.flowsInstancesList({ designation: "stage_configuration" })),
  search: slugs(await api.flowsInstancesList({ search: "default setup" })),
  ordering: slugs(await api.flowsInstancesList({ ordering: "-slug", pageSize: 100 })),
  slug: slugs(await api.flowsInstancesList({ slug: "initial-setup" })),
  pages: (await pages(api, { pageSize: 5, ordering: "name" })).map(slugs),
  one: await api.flowsInstancesRetrieve({ slug }),
  export: await (await api.flowsInstancesExportRetrieve({ slug })).text(),
  unknown: await refusal(api, "no-such-flow"),
  stranger: await refusal(flowsApi("not-a-token"), slug),
};
process.stdout.write(JSON.stringify(answers));
