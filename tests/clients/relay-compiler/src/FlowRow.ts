// One flow, which can be refetched by its global id.
import { graphql } from "react-relay";

export const flow = graphql`
  fragment FlowRow_flow on Flow @refetchable(queryName: "FlowRowRefetchQuery") {
    pk
    slug
    name
    designation
    stageBindings {
      order
      stage {
        ...StageName_stage
      }
      policyBindings {
        policy {
          name
        }
      }
    }
  }
`;

export const stage = graphql`
  fragment StageName_stage on Stage {
    name
    type
  }
`;
