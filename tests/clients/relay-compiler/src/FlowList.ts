// A list of flows with pagination; FlowRow_flow selects the fields of each flow.
import { graphql } from "react-relay";

export const query = graphql`
  query FlowListQuery($count: Int!, $cursor: String, $where: FlowWhere) {
    ...FlowList_query @arguments(count: $count, cursor: $cursor, where: $where)
  }
`;

export const page = graphql`
  fragment FlowList_query on Query
  @refetchable(queryName: "FlowListPaginationQuery")
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 20 }
    cursor: { type: "String" }
    where: { type: "FlowWhere" }
  ) {
    flowConnection(first: $count, after: $cursor, where: $where, orderBy: [NAME_ASC])
      @connection(key: "FlowList_flowConnection") {
      totalCount
      edges {
        node {
          id
          ...FlowRow_flow
        }
      }
    }
  }
`;
