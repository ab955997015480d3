-- SELECT a flow by its slug with all fields, with the columns of page.sql.
SELECT
  flow.flow_uuid::text AS "pk",
  flow.policybindingmodel_ptr_id::text AS "policybindingmodelPtrId",
  flow.name AS "name",
  flow.slug AS "slug",
  flow.title AS "title",
  flow.designation AS "designation",
  flow.background AS "background",
  array_to_string(ARRAY(
    SELECT stage_id::text FROM authentik_flows_flowstagebinding
    WHERE target_id = flow.flow_uuid ORDER BY "order", fsb_uuid
  ), ',') AS "stages",
  array_to_string(ARRAY(
    SELECT policy_id::text FROM authentik_policies_policybinding
    WHERE target_id = flow.policybindingmodel_ptr_id AND policy_id IS NOT NULL
    ORDER BY "order", policy_binding_uuid
  ), ',') AS "policies",
  (
    SELECT count(*)::int FROM django_postgres_cache_cacheentry
    WHERE cache_key >= 'public::1:goauthentik.io/flows/planner/' || flow.flow_uuid::text
    AND cache_key < 'public::1:goauthentik.io/flows/planner/' || flow.flow_uuid::text || chr(1114111)
  ) AS "cacheCount",
  (
    SELECT policy_engine_mode FROM authentik_policies_policybindingmodel
    WHERE pbm_uuid = flow.policybindingmodel_ptr_id
  ) AS "policyEngineMode",
  flow.compatibility_mode AS "compatibilityMode",
  flow.layout AS "layout",
  flow.denied_action AS "deniedAction",
  flow.authentication AS "authentication"
FROM authentik_flows_flow AS flow
WHERE flow.slug = :slug
