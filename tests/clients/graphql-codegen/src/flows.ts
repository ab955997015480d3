// Executes typed documents and uses the results by their types.
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

const FlowConnection = graphql(`
  query FlowConnection($first: Int!, $after: String, $where: FlowWhere) {
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

const FlowsByDesignation = graphql(`
  query FlowsByDesignation($page: Int! = 1, $designation: FlowDesignation) {
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

const NodeById = graphql(`
  query NodeById($id: ID!) {
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

type Execute = <Result, Variables>(
  document: TypedDocumentNode<Result, Variables>,
  variables: Variables,
) => Promise<Result>;

export async function listPaths(execute: Execute): Promise<string[]> {
  const paths: string[] = [];
  let after: string | null | undefined;
  do {
    const { flowConnection } = await execute(FlowConnection, { first: 20, after, where: {} });
    paths.push(...(flowConnection?.edges ?? []).map(({ node }) => formatPath(node)));
    after = flowConnection?.pageInfo.hasNextPage ? flowConnection.pageInfo.endCursor : null;
  } while (after);
  return paths;
}

export async function listRecoveryPaths(execute: Execute): Promise<string[]> {
  const { flows } = await execute(FlowsByDesignation, { designation: "RECOVERY" });
  return (flows?.results ?? []).map(formatPath);
}

export async function listSlugsOf(execute: Execute, id: string): Promise<string[]> {
  const { node } = await execute(NodeById, { id });
  switch (node?.__typename) {
    case "Flow":
      return [formatPath(node)];
    case "Policy":
      return (node.flows ?? []).map(({ slug }) => slug);
    default:
      return [];
  }
}

function formatPath(flow: FragmentType<typeof FlowPath>): string {
  const { slug, stageBindings } = useFragment(FlowPath, flow);
  return [slug, ...(stageBindings ?? []).map(({ stage }) => stage.name)].join(" > ");
}
