-- Types of stages and policies, and the scopes of tokens, in FlowQL's own tables.

INSERT INTO flowql_stagetype (ptr_id, model, settings)
SELECT md5('stage ' || n)::uuid,
    (ARRAY['authentik_stages_password.passwordstage', 'authentik_stages_user_login.userloginstage',
        'authentik_stages_email.emailstage', 'authentik_stages_prompt.promptstage'])[n % 4 + 1],
    CASE WHEN n % 4 = 3 THEN jsonb_build_object('fields', (
        SELECT jsonb_agg(md5('prompt ' || (n + position) % {prompts})::uuid)
        FROM generate_series(0, 3) AS position))
    ELSE '{{"session_duration": "hours=1", "backends": ["authentik.core.auth.InbuiltBackend"]}}' END
FROM generate_series(0, {stages} - 1) AS n;
INSERT INTO flowql_policytype (ptr_id, model, settings)
SELECT md5('policy ' || n)::uuid,
    (ARRAY['authentik_policies_expression.expressionpolicy', 'authentik_policies_dummy.dummypolicy'])[n % 2 + 1],
    '{{"expression": "return True"}}'
FROM generate_series(0, {policies} - 1) AS n;
-- Token 5 has a scope of every tenth flow, and some others of one flow.
INSERT INTO flowql_tokenflow (token_id, flow_id)
SELECT md5('token 5')::uuid, md5('flow ' || n)::uuid FROM generate_series(0, {flows} - 1, 10) AS n
UNION ALL
SELECT md5('token ' || n)::uuid, md5('flow ' || n % {flows})::uuid FROM generate_series(10, {users}, 3) AS n;
