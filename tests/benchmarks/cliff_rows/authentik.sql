-- Types of stages and policies, and prompts of prompt stages, in authentik's tables.

INSERT INTO authentik_stages_password_passwordstage
SELECT md5('stage ' || n)::uuid, ARRAY['authentik.core.auth.InbuiltBackend'], 5, true, md5('flow 1')::uuid
FROM generate_series(0, {stages} - 1, 4) AS n;
INSERT INTO authentik_stages_user_login_userloginstage
SELECT md5('stage ' || n)::uuid, 'hours=1', false, 'seconds=0', 'no_binding', 'no_binding'
FROM generate_series(1, {stages} - 1, 4) AS n;
INSERT INTO authentik_stages_email_emailstage
SELECT md5('stage ' || n)::uuid, true, 'localhost', 25, 'authentik@example.com', 'Subject', 'email.html'
FROM generate_series(2, {stages} - 1, 4) AS n;
INSERT INTO authentik_stages_prompt_promptstage
SELECT md5('stage ' || n)::uuid FROM generate_series(3, {stages} - 1, 4) AS n;
INSERT INTO authentik_stages_prompt_promptstage_fields (promptstage_id, prompt_id)
SELECT md5('stage ' || n)::uuid, md5('prompt ' || (n + position) % {prompts})::uuid
FROM generate_series(3, {stages} - 1, 4) AS n, generate_series(0, 3) AS position;
INSERT INTO authentik_policies_expression_expressionpolicy
SELECT md5('policy ' || n)::uuid, 'return True' FROM generate_series(0, {policies} - 1, 2) AS n;
INSERT INTO authentik_policies_dummy_dummypolicy
SELECT md5('policy ' || n)::uuid, true, 1, 2 FROM generate_series(1, {policies} - 1, 2) AS n;
