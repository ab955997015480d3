-- The rows of the benchmark of statements, in authentik's tables and in FlowQL's own.
-- Parameters: {flows}, and the numbers of other rows that are proportional to it.
-- An object has the key md5('<kind> <number>')::uuid. Rows are stored in random order.

INSERT INTO authentik_policies_policybindingmodel
SELECT md5('flow target ' || n)::uuid, CASE WHEN n % 3 = 0 THEN 'all' ELSE 'any' END
FROM generate_series(0, {flows} - 1) AS n ORDER BY md5('order' || n);

INSERT INTO authentik_flows_flow (policybindingmodel_ptr_id, flow_uuid, name, slug, title, layout,
    designation, background, compatibility_mode, denied_action, authentication)
SELECT md5('flow target ' || n)::uuid, md5('flow ' || n)::uuid,
    (ARRAY['Default', 'Guest', 'Staff', 'Partner', 'Legacy', 'Mobile', 'Kiosk', 'Übliche'])[n % 8 + 1]
        || ' ' || (ARRAY['password', 'passkey', 'device', 'invitation', 'consent'])[n / 8 % 5 + 1]
        || ' ' || n / 3,
    (ARRAY['default', 'guest', 'staff', 'partner'])[n % 4 + 1] || '-flow-' || n,
    (ARRAY['Welcome', 'Sign in', 'One more step'])[n % 3 + 1] || ' ' || n % 97,
    (ARRAY['stacked', 'content_left', 'content_right', 'sidebar_left'])[n % 4 + 1],
    (ARRAY['authentication', 'authorization', 'invalidation', 'enrollment', 'unenrollment',
        'recovery', 'stage_configuration'])[n % 7 + 1],
    CASE WHEN n % 5 = 0 THEN '' ELSE 'flow-backgrounds/' || n % 50 || '.jpg' END,
    n % 5 = 0,
    (ARRAY['message_continue', 'message', 'continue'])[n % 3 + 1],
    (ARRAY['none', 'require_authenticated', 'require_unauthenticated'])[n % 3 + 1]
FROM generate_series(0, {flows} - 1) AS n ORDER BY md5('order' || n);

INSERT INTO authentik_flows_stage (stage_uuid, name)
SELECT md5('stage ' || n)::uuid, 'stage-' || n
FROM generate_series(0, {stages} - 1) AS n ORDER BY md5('order' || n);

INSERT INTO authentik_policies_policybindingmodel
SELECT md5('stage binding target ' || flow || ' ' || position)::uuid, 'any'
FROM generate_series(0, {flows} - 1) AS flow, generate_series(0, flow % 9 - 1) AS position
ORDER BY md5('order' || flow || position);

INSERT INTO authentik_flows_flowstagebinding (policybindingmodel_ptr_id, fsb_uuid, evaluate_on_plan,
    re_evaluate_policies, invalid_response_action, "order", stage_id, target_id)
SELECT md5('stage binding target ' || flow || ' ' || position)::uuid,
    md5('stage binding ' || flow || ' ' || position)::uuid, position % 3 = 0, position % 4 <> 3,
    (ARRAY['retry', 'restart', 'restart_with_context'])[position % 3 + 1], position * 10,
    -- Some stages are not bound.
    md5('stage ' || (flow * 13 + position * 7) % ({stages} - 10))::uuid, md5('flow ' || flow)::uuid
FROM generate_series(0, {flows} - 1) AS flow, generate_series(0, flow % 9 - 1) AS position
ORDER BY md5('order' || flow || position);

INSERT INTO authentik_policies_policy (created, last_updated, policy_uuid, name, execution_logging)
SELECT timestamptz '2021-02-03', timestamptz '2021-02-03', md5('policy ' || n)::uuid, 'policy-' || n,
    n % 2 = 0
FROM generate_series(0, {policies} - 1) AS n ORDER BY md5('order' || n);

INSERT INTO authentik_core_group (group_uuid, name, is_superuser, attributes)
SELECT md5('group ' || n)::uuid, 'group ' || n, n = 0, '{{}}'
FROM generate_series(0, {groups} - 1) AS n;

INSERT INTO authentik_core_user (id, password, username, first_name, last_name, email, is_active,
    date_joined, uuid, name, path, type, attributes, password_change_date, last_updated)
SELECT n, '!', 'user-' || n, '', '', '', true, now(), md5('user ' || n)::uuid, 'User ' || n, 'users',
    'internal', '{{}}', now(), now()
FROM generate_series(1, {users}) AS n;

INSERT INTO authentik_policies_policybinding (policy_binding_uuid, enabled, negate, timeout,
    failure_result, "order", expires, expiring, policy_id, group_id, user_id, target_id)
SELECT md5('policy binding ' || pbm_uuid || position)::uuid, true, position = 2, 30, position = 1,
    position, NULL, false,
    CASE WHEN hash % 12 > 0 THEN md5('policy ' || (hash + position * 3) % ({policies} - 10))::uuid END,
    CASE WHEN hash % 12 = 0 THEN md5('group ' || hash % {groups})::uuid END, NULL, pbm_uuid
FROM (SELECT pbm_uuid, ('x' || left(md5(pbm_uuid::text), 7))::bit(28)::integer AS hash
    FROM authentik_policies_policybindingmodel) AS target,
    generate_series(0, hash % 4 - 2) AS position
ORDER BY md5(pbm_uuid::text || position);

-- The cache has five times as many other entries as plans.
INSERT INTO django_postgres_cache_cacheentry (cache_key, value, expires)
SELECT key, repeat('gASVAAAA', 16), timestamptz '2999-12-31' FROM (
    SELECT 'public::1:goauthentik.io/flows/planner/' || md5('flow ' || n * 2 % {flows})::uuid || '#' || n
    FROM generate_series(0, {flows} - 1) AS n
    UNION ALL
    SELECT 'public::1:goauthentik.io/' || (ARRAY['policies', 'sessions', 'providers/oauth2',
        'outposts/state', 'flows/planned'])[n % 5 + 1] || '/' || md5('key ' || n)::uuid
    FROM generate_series(0, {flows} * 5 - 1) AS n
) AS entries (key) ORDER BY md5(key);

INSERT INTO authentik_stages_prompt_prompt (prompt_uuid, name, field_key, label, type, required,
    placeholder, initial_value, "order", sub_text, placeholder_expression, initial_value_expression)
SELECT md5('prompt ' || n)::uuid, 'prompt-' || n, 'field', 'Label ' || n, 'text', true, '', '', n % 7, '',
    false, false
FROM generate_series(0, {prompts} - 1) AS n ORDER BY md5('order' || n);

-- Users 1 to 5 are the viewers, which the tokens are named after.
INSERT INTO authentik_core_token (token_uuid, identifier, key, intent, description, expires, expiring,
    managed, user_id)
SELECT md5('token ' || n)::uuid, 'token-' || n,
    CASE WHEN {has_digests} THEN 'sha256$' || encode(sha256(('key-' || n)::bytea), 'hex')
    ELSE 'key-' || n END,
    CASE WHEN n % 4 = 3 AND n > 5 THEN 'app_password' ELSE 'api' END, '', NULL, false, NULL, n
FROM generate_series(1, {users}) AS n;

-- User 1 is a superuser; the others are in groups that have parents.
INSERT INTO authentik_core_user_groups (user_id, group_id) VALUES (1, md5('group 0')::uuid);
INSERT INTO authentik_core_user_groups (user_id, group_id)
SELECT n, md5('group ' || n % ({groups} - 1) + 1)::uuid FROM generate_series(2, {users}) AS n;
INSERT INTO authentik_core_groupparentage (uuid, child_id, parent_id)
SELECT md5('parent ' || n)::uuid, md5('group ' || n)::uuid, md5('group ' || n / 2)::uuid
FROM generate_series(2, {groups} - 1) AS n;

INSERT INTO authentik_rbac_role (uuid, name)
SELECT md5('role ' || n)::uuid, 'role ' || n FROM generate_series(1, {roles}) AS n;
INSERT INTO authentik_core_user_roles (user_id, role_id)
SELECT n, md5('role ' || n)::uuid FROM generate_series(2, 5) AS n;
INSERT INTO authentik_core_group_roles (group_id, role_id)
SELECT md5('group ' || n)::uuid, md5('role ' || n % ({roles} - 5) + 6)::uuid
FROM generate_series(1, {groups} - 1) AS n;

-- Role 2 may view everything.
INSERT INTO guardian_rolemodelpermission (content_type_id, permission_id, role_id)
SELECT content_type_id, id, md5('role 2')::uuid FROM auth_permission
WHERE codename IN ('view_flow', 'export_flow', 'view_flowstagebinding', 'view_stage',
    'view_policybinding', 'view_policy', 'view_prompt');
-- Role 3 may view every second flow, and everything below it.
INSERT INTO guardian_rolemodelpermission (content_type_id, permission_id, role_id)
SELECT content_type_id, id, md5('role 3')::uuid FROM auth_permission
WHERE codename IN ('view_flowstagebinding', 'view_stage', 'view_policybinding', 'view_policy', 'view_prompt');
-- Role 4 may view ten flows with some of their objects. The other roles may view some flows.
INSERT INTO guardian_roleobjectpermission (object_pk, content_type_id, permission_id, role_id)
SELECT object_pk, content_type_id, auth_permission.id, role_id FROM (
    SELECT 'view_flow', flow_uuid, md5('role 3')::uuid FROM authentik_flows_flow
    WHERE designation IN ('authentication', 'authorization', 'invalidation')
    UNION ALL
    SELECT codename, md5('flow ' || n)::uuid, md5('role 4')::uuid
    FROM generate_series(0, 9) AS n, unnest(ARRAY['view_flow', 'export_flow']) AS codename
    UNION ALL
    SELECT 'view_flowstagebinding', fsb_uuid, md5('role 4')::uuid FROM authentik_flows_flowstagebinding
    WHERE stage_id::text < '2'
    UNION ALL
    SELECT 'view_stage', stage_uuid, md5('role 4')::uuid FROM authentik_flows_stage
    WHERE stage_uuid::text < '8'
    UNION ALL
    SELECT 'view_policybinding', policy_binding_uuid, md5('role 4')::uuid
    FROM authentik_policies_policybinding WHERE policy_binding_uuid::text < '2'
    UNION ALL
    SELECT 'view_policy', policy_uuid, md5('role 4')::uuid FROM authentik_policies_policy
    WHERE policy_uuid::text < '8'
    UNION ALL
    SELECT 'view_prompt', prompt_uuid, md5('role 4')::uuid FROM authentik_stages_prompt_prompt
    WHERE prompt_uuid::text < '8'
    UNION ALL
    SELECT 'view_flow', md5('flow ' || (n * 7 + role) % {flows})::uuid, md5('role ' || role)::uuid
    FROM generate_series(6, {roles}) AS role, generate_series(0, {grants} / {roles}) AS n
) AS grants (codename, object_pk, role_id) JOIN auth_permission USING (codename)
ORDER BY md5(object_pk::text);
