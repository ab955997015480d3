// A node of any type, by its global id.
import { graphql } from "react-relay";

export const query = graphql`
  query NodePageQuery($id: ID!) {
    node(id: $id) {
      __typename
      id
      ...FlowRow_flow @alias(as: "flow")
      ... on Stage {
        flows(first: 5) {
          slug
        }
      }
      ... on Policy {
        name
      }
    }
  }
`;
