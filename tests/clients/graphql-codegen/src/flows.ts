// Asks about flows by typed documents, and uses what is answered as its types say.
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { type FragmentType, graphql, useFragment } from "./gql/index.js";

const FlowPath = graphql(`
  fragment FlowPath on Flow {
    pk
    slug
    designation
    stageBindings {
      order
      stage {
        name
        type
      }
      policyBindings {
        enabled
        policy {
          name
        }
      }
    }
  }
`);

const FlowsAfter = graphql(`
  query FlowsAfter($first: Int!, $after: String, $where: FlowWhere) {
    flowConnection(first: $first, after: $after, where: $where, orderBy: [NAME_ASC]) {
      totalCount
      pageInfo {
        hasNextPage
        endCursor
      }
      edges {
        cursor
        node {
          ...FlowPath
        }
      }
    }
  }
`);

const FlowsOf = graphql(`
  query FlowsOf($page: Int! = 1, $designation: FlowDesignation) {
    flows(page: $page, designation: $designation) {
      pagination {
        next
      }
      results {
        ...FlowPath
      }
    }
  }
`);

const NodeOf = graphql(`
  query NodeOf($id: ID!) {
    node(id: $id) {
      __typename
      ... on Flow {
        ...FlowPath
      }
      ... on Policy {
        flows(first: 5) {
          slug
        }
      }
    }
  }
`);

type Ask = <Result, Variables>(
  document: TypedDocumentNode<Result, Variables>,
  variables: Variables,
) => Promise<Result>;

export async function everyPath(ask: Ask): Promise<string[]> {
  const paths: string[] = [];
  let after: string | null | undefined;
  do {
    const { flowConnection } = await ask(FlowsAfter, { first: 20, after, where: {} });
    paths.push(...flowConnection.edges.map(({ node }) => path(node)));
    after = flowConnection.pageInfo.hasNextPage ? flowConnection.pageInfo.endCursor : null;
  } while (after);
  return paths;
}

export async function recoveries(ask: Ask): Promise<string[]> {
  const { flows } = await ask(FlowsOf, { designation: "RECOVERY" });
  return flows.results.map(path);
}

export async function slugsBehind(ask: Ask, id: string): Promise<string[]> {
  const { node } = await ask(NodeOf, { id });
  switch (node?.__typename) {
    case "Flow":
      return [path(node)];
    case "Policy":
      return node.flows.map(({ slug }) => slug);
    default:
      return [];
  }
}

function path(flow: FragmentType<typeof FlowPath>): string {
  const { slug, stageBindings } = useFragment(FlowPath, flow);
  return [slug, ...stageBindings.map(({ stage }) => stage.name)].join(" > ");
}
