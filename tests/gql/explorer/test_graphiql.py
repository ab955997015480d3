"""GraphiQL: links, commands, faults, documentation, and its layout."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route, expect

from support.browser import ColorScheme, StartVisit, Visit
from support.client_environments import node_path
from support.graphiql import (
    allow_clipboard,
    build_link,
    choose,
    find_active_tab,
    find_notice,
    find_result,
    find_summary,
    open_graphiql,
    read_clipboard,
    read_editor,
    read_operation,
    read_result,
    read_storage,
    read_tabs,
    run_operation,
    wait_for_editors,
    write_operation,
)
from support.server_process import RunningServer, run_server, send_request, wait_until

EXAMPLES = ["PageOfFlows", "SearchAndOrder", "FlowInFull", "PagingByCursors", "WithVariables"]
SLUGS = "query Slugs($size: Int) { flows(pageSize: $size) { results { slug } } }"
TWO_OPERATIONS = "query First { __typename }\nquery Second { flows { pagination { count } } }"
DIALOGS = ("Open settings dialog", "Open short keys dialog")
PANELS = ("Documentation Explorer", "History", "GraphiQL Explorer")
WIDTHS = (400, 768, 1280)
# A library of GraphiQL warns of dialogs without a description.
HARMLESS = "Missing `Description`"


@pytest.fixture
def visit(start_visit: StartVisit, sample_server: RunningServer) -> Generator[Visit]:
    """A visit to `sample_server` without problems and without requests to other hosts."""
    visit = start_visit(sample_server.url)
    yield visit
    assert list_problems(visit) == []
    assert set(visit.requests) == {sample_server.url}


def collect_operations(page: Page) -> list[str]:
    """Return a list to which each GraphQL request of the page adds its body."""
    bodies: list[str] = []

    def record(request: Request) -> None:
        if request.method == "POST":
            bodies.append(request.post_data or "")

    page.on("request", record)
    return bodies


def list_problems(visit: Visit) -> list[str]:
    """Return the problems of a visit, except for harmless ones."""
    return [problem for problem in visit.problems if HARMLESS not in problem]


# Links ----------------------------------------------------------------------------------------------


def test_link_opens_a_tab(visit: Visit, sample_server: RunningServer) -> None:
    """The tab is active, others remain, and the operation runs only on request."""
    page = open_graphiql(visit, token=sample_server.token)
    write_operation(page, "query Mine { __typename }")
    wait_until(lambda: "Mine" in (read_storage(page, "tabState") or ""))
    bodies = collect_operations(page)
    page.goto(build_link(query=SLUGS, variables='{"size": 2}', operationName="Slugs"))
    wait_for_editors(page)

    assert read_tabs(page) == ["Mine", *EXAMPLES[1:], "Slugs"]
    expect(find_active_tab(page)).to_have_text("Slugs")
    assert read_operation(page) == {"query": SLUGS, "variables": '{"size": 2}'}
    page.wait_for_timeout(500)
    assert bodies == []
    assert read_result(page) == ""

    run_operation(page)
    expect(find_result(page)).to_contain_text("default-authentication-flow")
    assert [json.loads(body) for body in bodies] == [
        {"query": SLUGS, "variables": {"size": 2}, "operationName": "Slugs"}
    ]


def test_link_survives_sign_in(visit: Visit, sample_server: RunningServer) -> None:
    """The operation of the link is there after signing in, and the named one is executed."""
    link = build_link(query=TWO_OPERATIONS.replace("\n", "\r\n"), operationName="Second")
    page = open_graphiql(visit, link, sample_server.token)
    expect(find_active_tab(page)).to_have_text("Second")
    page.get_by_role("textbox", name="Query Editor").focus()
    page.keyboard.press("Control+Enter")

    expect(find_result(page)).to_contain_text('"count"')
    assert read_tabs(page) == [*EXAMPLES, "Second"]


def test_reload_keeps_the_edited_tab(visit: Visit) -> None:
    """A reload does not open the link again, but the same link in a new visit does."""
    link = build_link(query=SLUGS)
    page = open_graphiql(visit, link)
    write_operation(page, "query Edited { __typename }")
    wait_until(lambda: "Edited" in (read_storage(page, "tabState") or ""))
    page.reload()
    wait_for_editors(page)
    expect(find_active_tab(page)).to_have_text("Edited")
    assert read_tabs(page) == [*EXAMPLES, "Edited"]

    page.goto(link)
    wait_for_editors(page)
    expect(find_active_tab(page)).to_have_text("Slugs")
    page.goto(link)
    wait_for_editors(page)
    assert read_tabs(page) == [*EXAMPLES, "Edited", "Slugs"]


SHOWN_AS_TEXT = [
    ("{", "["),
    ("{ __typename }", '{"size": 1'),
    ("null", '"text"'),
    ("<img src=x onerror=alert(1)>", "<script>alert(2)</script>"),
    ("</script><script>alert(3)</script>", '"></div><svg onload=alert(4)>'),
    ("# ü 漢字 🙂 & = + % %41 #\n{\n\t__typename\n}", '{"name": "ä&b=c+d#e%20"}'),
    ("{ __typename }", json.dumps({"text": "a" * 50_000})),
]


def test_links_are_shown_as_text(visit: Visit) -> None:
    """Malformed, malicious and large values are shown, and neither executed nor changed."""
    for query, variables in SHOWN_AS_TEXT:
        page = open_graphiql(visit, build_link(query=query, variables=variables))
        assert read_operation(page) == {"query": query, "variables": variables}
        expect(page.locator("#graphiql :is(img, script)")).to_have_count(0)


def test_odd_query_strings(visit: Visit) -> None:
    """Without an operation, or with one that is not UTF-8, GraphiQL opens as usual."""
    for query_string in ("query=", "variables={}&operationName=A", "query=%ff%00&query=x"):
        page = open_graphiql(visit, f"/graphql?{query_string}")
        assert read_tabs(page)[:5] == EXAMPLES


def test_link_with_malformed_variables_runs(visit: Visit, sample_server: RunningServer) -> None:
    """The result says in words that the variables are not valid."""
    link = build_link(query="{ __typename }", variables="[1")
    page = open_graphiql(visit, link, sample_server.token)
    run_operation(page)

    expect(find_result(page)).to_contain_text("Variables are invalid JSON")


def test_link_with_an_unknown_operation(visit: Visit) -> None:
    """A notice says that the document does not have the operation."""
    page = open_graphiql(visit, build_link(query=TWO_OPERATIONS, operationName="Third<b>"))

    expect(find_notice(page)).to_have_text(
        "The link's operation 'Third<b>' is not in its document."
    )


def test_link_with_damaged_storage(visit: Visit) -> None:
    """The link is shown beside the examples if the stored tabs are not valid."""
    page = open_graphiql(visit)
    for stored in ("{", "5", '{"tabs": [null], "activeTabIndex": 0}'):
        page.wait_for_timeout(600)
        page.evaluate("(text) => localStorage.setItem('graphiql:tabState', text)", stored)
        page.goto(build_link(query=SLUGS))
        wait_for_editors(page)
        assert (read_tabs(page), read_editor(page, "query")) == ([*EXAMPLES, "Slugs"], SLUGS)


def test_copied_link(
    start_visit: StartVisit, sample_server: RunningServer, sample_url: str
) -> None:
    """The link is absolute, contains the root path, and opens the same operation."""
    variables = '{"a": "b&c=d+e#f \'g\' ü"}'
    with run_server(sample_url, "--root-path", "/flows") as (url, _):
        visit = start_visit(url)
        allow_clipboard(visit.page)
        page = open_graphiql(visit, "/flows/graphql", sample_server.token)
        write_operation(page, TWO_OPERATIONS, variables)
        page.get_by_role("button", name="Copy link").click()
        expect(find_notice(page)).to_have_text("Link copied.")
        link = read_clipboard(page)
        assert link.startswith(f"{url}/flows/graphql?query=query+First")
        assert link.endswith("&operationName=First")
        assert sample_server.token not in link

        other = open_graphiql(start_visit(url), link)
        assert read_operation(other) == {"query": TWO_OPERATIONS, "variables": variables}
        assert list_problems(visit) == []


def test_link_that_is_too_long(visit: Visit) -> None:
    """The server would not read the link, so it is not copied."""
    allow_clipboard(visit.page)
    page = open_graphiql(visit)
    page.evaluate("() => navigator.clipboard.writeText('before')")
    write_operation(page, f"# {'a' * 70_000}\n{{ __typename }}")
    page.get_by_role("button", name="Copy link").click()

    expect(find_notice(page)).to_contain_text("but the server reads at most 64 KiB")
    assert read_clipboard(page) == "before"


def test_longest_link(start_visit: StartVisit, sample_server: RunningServer) -> None:
    """The server reads a link of the maximum length."""
    visit = start_visit(sample_server.url)
    allow_clipboard(visit.page)
    page = open_graphiql(visit)
    length = 60_000 - len(f"{sample_server.url}/graphql?query=%23+%0A%7B__typename%7D")
    write_operation(page, f"# {'a' * length}\n{{__typename}}")
    page.get_by_role("button", name="Copy link").click()
    expect(find_notice(page)).to_have_text("Link copied.")
    link = read_clipboard(page)

    assert len(link) == 60_000
    other = open_graphiql(start_visit(sample_server.url), link)
    assert read_editor(other, "query") == f"# {'a' * length}\n{{__typename}}"


def test_copy_without_the_clipboard_of_secure_pages(visit: Visit) -> None:
    """Over HTTP, browsers offer no navigator.clipboard."""
    allow_clipboard(visit.page)
    visit.page.add_init_script("delete Navigator.prototype.clipboard")
    page = open_graphiql(visit)
    write_operation(page, SLUGS)
    page.get_by_role("button", name="Copy link").click()
    expect(find_notice(page)).to_have_text("Link copied.")
    page.get_by_role("textbox", name="Query Editor").focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+v")

    assert read_editor(page, "query").startswith("http://127.0.0.1:")
    assert "/graphql?query=query+Slugs" in read_editor(page, "query")


# Code -----------------------------------------------------------------------------------------------

ODD_QUERY = (
    'query Odd($search: String, $flag: Boolean!) {\n  # \' " \\ ` ${TOKEN} $(id) ! é 🙂 """ \\n\n'
    "  flows(search: $search, pageSize: 2) @include(if: $flag) { results { slug title } }\n"
    '  other: flow(slug: """it\'s "quoted" \\ ${x}""") { slug }\n} # ends with "'
)


def test_copied_code(visit: Visit, sample_server: RunningServer, tmp_path: Path) -> None:
    """The code sends the operation as the page does, with the token from the environment."""
    allow_clipboard(visit.page)
    page = open_graphiql(visit, token=sample_server.token)
    variables = {"search": "default ' \" \\ ` ${TOKEN} $(id) é \x7f\x9b", "flag": True}
    write_operation(page, ODD_QUERY, json.dumps(variables))
    body = {"query": ODD_QUERY, "variables": variables, "operationName": "Odd"}
    expected = send_request(sample_server.url, "/graphql", sample_server.token, body).json
    assert "data" in expected
    for language in ("curl", "Python", "JavaScript"):
        choose(page, "Copy as code", f"Copy as {language}")
        expect(find_notice(page)).to_have_text(f"Code for {language} copied.")
        code = read_clipboard(page)
        assert sample_server.token not in code
        assert run_code(language, code, sample_server.token, tmp_path) == expected


def run_code(language: str, code: str, token: str, folder: Path) -> object:
    """Run code of a language and return the JSON that it prints."""
    script = folder / {"curl": "code.sh", "Python": "code.py", "JavaScript": "code.mjs"}[language]
    script.write_text(code)
    command = {"curl": "bash", "Python": sys.executable, "JavaScript": node_path()}[language]
    process = subprocess.run(
        [command, script],
        env={**os.environ, "TOKEN": token},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return json.loads(process.stdout)


def test_code_without_variables(visit: Visit) -> None:
    """Constants of JSON become those of Python, and empty variables an empty object."""
    allow_clipboard(visit.page)
    page = open_graphiql(visit)
    write_operation(page, "{ __typename }", '{"a": [true, false, null, 1.5, "true", {}]}')
    choose(page, "Copy as code", "Copy as Python")
    expect(find_notice(page)).to_contain_text("copied")
    assert 'variables = {"a": [True, False, None, 1.5, "true", {}]}\n' in read_clipboard(page)

    write_operation(page, "{ __typename }", "")
    choose(page, "Copy as code", "Copy as curl")
    expect(find_notice(page)).to_have_text("Code for curl copied.")
    assert """--data-raw '{"query":"{ __typename }"}'\n""" in read_clipboard(page)


def test_code_with_malformed_variables(visit: Visit) -> None:
    """A notice says that the variables are not a JSON object."""
    page = open_graphiql(visit)
    for variables, reason in (("{", "Expected property name"), ("[1]", "they are not an object")):
        write_operation(page, "{ __typename }", variables)
        choose(page, "Copy as code", "Copy as Python")
        expect(find_notice(page)).to_contain_text(f"The variables are not a JSON object: {reason}")


# Responses and faults -------------------------------------------------------------------------------


def test_summary_of_a_response(visit: Visit, sample_server: RunningServer) -> None:
    """Status, time and size are announced, and belong to the tab of the response."""
    page = open_graphiql(visit, token=sample_server.token)
    expect(find_summary(page)).to_have_text("")
    run_operation(page)

    summary = find_summary(page)
    expect(summary).to_have_text(re.compile(r"^200 · \d+ ms · \d+(\.\d)? k?B$"))
    expect(summary).to_have_attribute("role", "status")
    page.get_by_role("button", name="SearchAndOrder").click()
    expect(summary).to_have_text("")
    page.get_by_role("button", name="PageOfFlows").click()
    expect(summary).to_have_text(re.compile(r"^200 · "))


HTML = "<html><h1>Bad gateway</h1></html>"
FAULTS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"status": 502, "content_type": "text/html", "body": HTML},
        "a proxy returned text/html with status 502. Check that FlowQL is running.",
        r"^502 · \d+ ms · 33 B$",
    ),
    (
        {"status": 200, "content_type": "text/html; charset=utf-8", "body": HTML},
        "Expected a response of FlowQL, but a proxy returned text/html with status 200.",
        "^200 · ",
    ),
    (
        {"status": 401, "content_type": "text/plain", "body": "no"},
        "Reload this page to sign in to the proxy.",
        "^401 · ",
    ),
    (
        {"status": 503, "headers": {"Retry-After": "7"}, "body": "busy"},
        "a proxy returned no media type with status 503.",
        r"^503 · \d+ ms · 4 B · try again in 7 seconds$",
    ),
    (
        {
            "status": 503,
            "headers": {"Retry-After": "1", "Content-Type": "application/json"},
            "body": '{"errors": [{"message": "The database is starting."}]}',
        },
        "The database is starting.",
        "· try again in 1 second$",
    ),
    (
        {"status": 503, "headers": {"Retry-After": "Fri, 27 Nov 2026 00:00:00 GMT"}, "body": "{}"},
        "{}",
        "· try again after Fri, 27 Nov 2026 00:00:00 GMT$",
    ),
    (
        {"status": 200, "content_type": "application/json", "body": '{"data'},
        "Expected a response of FlowQL",
        "B$",
    ),
    (
        {"status": 200, "content_type": "application/json", "body": "[]"},
        "Expected a response of FlowQL",
        "2 B$",
    ),
    ({"status": 204}, "Check the address and the settings of the proxy.", "^204 · "),
    (
        {"status": 302, "headers": {"Location": "https://sso.example/login"}},
        "A proxy redirected the request",
        "^No response$",
    ),
]


def test_responses_of_proxies(start_visit: StartVisit, sample_server: RunningServer) -> None:
    """What a proxy returns instead of FlowQL is described in words, without a stack."""
    visit = start_visit(sample_server.url)
    page = open_graphiql(visit, token=sample_server.token)
    for response, message, summary in FAULTS:
        page.unroute_all()
        page.route("**/graphql", lambda route, _, response=response: route.fulfill(**response))
        run_operation(page)
        expect(find_summary(page)).to_have_text(re.compile(summary))
        expect(find_result(page)).to_contain_text(message)
        expect(find_result(page)).not_to_contain_text("stack")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_server_down(start_visit: StartVisit, sample_url: str) -> None:
    """The result says that FlowQL does not respond, also for the schema."""
    with run_server(sample_url) as (url, _):
        page = open_graphiql(start_visit(url))
    run_operation(page)
    expect(find_result(page)).to_contain_text("No response from FlowQL. Check your network")
    expect(find_summary(page)).to_have_text("No response")

    page.get_by_role("button", name="Re-fetch GraphQL schema").click()
    expect(find_result(page)).to_contain_text("Could not load the schema.")
    expect(find_result(page)).not_to_contain_text("stack")


FILL_STORAGE = """() => {
  localStorage.removeItem("graphiql:theme");
  for (let size = 2 ** 22; size >= 1; size /= 2) {
    try { for (let i = 0; ; i++) localStorage.setItem(`${size}-${i}`, "x".repeat(size)); } catch {}
  }
}"""


def test_expired_token(visit: Visit) -> None:
    """The page signs out and asks for another token."""
    page = open_graphiql(visit)
    page.evaluate("() => sessionStorage.setItem('flowql:token', 'expired')")
    run_operation(page)

    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("Invalid token.")
    visit.problems.clear()  # Chromium reports the 401


def test_full_storage(visit: Visit) -> None:
    """GraphiQL starts without its storage."""
    page = open_graphiql(visit)
    page.evaluate(FILL_STORAGE)
    page.reload()

    expect(page.locator(".graphiql-query-editor .CodeMirror")).to_be_visible()


def test_stopped_operation(visit: Visit, sample_server: RunningServer) -> None:
    """The Stop button cancels the request. A response never appears in another tab."""
    page = open_graphiql(visit, token=sample_server.token)
    routes: list[Route] = []
    page.route("**/graphql", lambda route: routes.append(route))  # noqa: PLW0108 - Playwright sets attributes
    run_operation(page)
    page.get_by_role("button", name="Stop query").click()
    expect(find_summary(page)).to_have_text("Stopped")

    run_operation(page)
    expect(page.get_by_role("button", name="Stop query")).to_be_visible()
    page.get_by_role("button", name="SearchAndOrder").click()
    for route in routes:
        route.fulfill(status=200, content_type="application/json", body='{"data": "late"}')
    page.wait_for_timeout(300)
    assert read_result(page) == ""


# Tabs and examples ----------------------------------------------------------------------------------


def test_new_tab(visit: Visit) -> None:
    """A new tab starts with a short comment of FlowQL."""
    page = open_graphiql(visit)
    page.get_by_role("button", name="New tab").click()

    expect(find_active_tab(page)).to_have_text("<untitled>")
    assert read_editor(page, "query") == (
        "# Write a query. Ctrl-Space completes it, Ctrl-Enter runs it,\n"
        "# and Ctrl-K searches the documentation.\n\n"
    )


def test_examples_are_restored(visit: Visit) -> None:
    """The menu opens one example or all of them, but none twice."""
    page = open_graphiql(visit)
    for count in range(4, 0, -1):
        page.locator(".graphiql-tab-active").get_by_role("button", name="Close Tab").press("Enter")
        expect(page.locator(".graphiql-tab")).to_have_count(count)
    write_operation(page, "query Mine { __typename }")
    choose(page, "Examples", "Flow in full")
    expect(find_active_tab(page)).to_have_text("FlowInFull")
    assert read_tabs(page) == ["Mine", "FlowInFull"]

    choose(page, "Examples", "All examples")
    expect(find_active_tab(page)).to_have_text("PageOfFlows")
    assert read_tabs(page)[:2] == ["Mine", "FlowInFull"]
    assert sorted(read_tabs(page)) == sorted(["Mine", *EXAMPLES])
    choose(page, "Examples", "With variables")
    expect(find_active_tab(page)).to_have_text("WithVariables")
    assert '"designation"' in read_editor(page, "variables")
    assert len(read_tabs(page)) == 6


def test_paging_example(visit: Visit, sample_server: RunningServer) -> None:
    """The example pages through the sample flows as its comment says, until the last page."""
    page = open_graphiql(visit, token=sample_server.token)
    page.get_by_role("button", name="PagingByCursors").click()
    query = read_editor(page, "query")
    assert "copy `endCursor` from the result to `after`" in query
    pages = [run_page(page, None)]
    while pages[-1]["pageInfo"]["hasNextPage"]:
        pages.append(run_page(page, pages[-1]["pageInfo"]["endCursor"]))
    slugs = [edge["node"]["slug"] for connection in pages for edge in connection["edges"]]

    assert len(pages) > 2
    assert len(set(slugs)) == len(slugs) == pages[0]["totalCount"]


def run_page(page: Page, after: str | None) -> dict[str, Any]:
    """Run the operation with a cursor and return the connection."""
    write_operation(page, read_editor(page, "query"), json.dumps({"after": after}))
    with page.expect_response(lambda response: response.request.method == "POST") as response:
        run_operation(page)
    return response.value.json()["data"]["flowConnection"]


# Documentation --------------------------------------------------------------------------------------


def test_documentation_without_a_token(visit: Visit) -> None:
    """The schema is public, so documentation and completion work before signing in."""
    page = open_graphiql(visit)
    page.get_by_role("button", name="Show Documentation Explorer").click()
    page.locator(".graphiql-plugin").get_by_role("link", name="Query").click()

    expect(page.locator(".graphiql-plugin")).to_contain_text("flowConnection")
    expect(page.locator(".graphiql-plugin")).to_contain_text("A page of flows")
    page.get_by_role("button", name="Re-fetch GraphQL schema").click()
    expect(page.locator(".graphiql-plugin")).to_contain_text("flowConnection")


def test_documentation_without_introspection(start_visit: StartVisit, sample_url: str) -> None:
    """The panel says that the server does not publish its schema. Operations run."""
    with run_server(sample_url, "--no-introspection") as (url, _):
        visit = start_visit(url)
        page = open_graphiql(visit)
        page.get_by_role("button", name="Show Documentation Explorer").click()
        expect(page.locator(".graphiql-plugin")).to_contain_text(
            "This server does not publish its schema."
        )
        page.keyboard.press("Control+k")
        expect(page.get_by_role("button", name="Re-fetch GraphQL schema")).to_be_hidden()
        expect(page.get_by_role("button", name="Show GraphiQL Explorer")).to_have_count(0)
        assert visit.find_violations() == []
        assert list_problems(visit) == []


@pytest.mark.parametrize("key", ["Control+k", "Meta+k"])
def test_search_key(visit: Visit, key: str) -> None:
    """The key opens the search of the documentation from everywhere."""
    page = open_graphiql(visit)
    search = page.locator(".graphiql-doc-explorer-search input")
    page.get_by_role("textbox", name="Query Editor").focus()
    page.keyboard.press(key)
    expect(search).to_be_focused()
    page.keyboard.type("FlowConnection")
    page.get_by_role("option", name="Query.flowConnection").first.click()
    title = page.locator(".graphiql-doc-explorer-title")
    expect(title).to_have_text("flowConnection")

    page.get_by_role("textbox", name="Variables").focus()
    page.keyboard.press(key)
    expect(search).to_be_focused()
    page.get_by_role("button", name="Hide Documentation Explorer").dispatch_event("click")
    page.get_by_role("button", name="Sign in").click()
    page.keyboard.press(key)
    expect(page.get_by_label("Token")).to_be_focused()


# The state of the page after pressing the keys of each function.
SHORT_KEYS = {
    "Search in editor": "document.activeElement.closest('.graphiql-query-editor .CodeMirror-dialog')",
    "Search in documentation": "document.activeElement.closest('.graphiql-doc-explorer-search')",
    "Execute query": "result.getValue().includes('Query')",
    "Prettify editors": "query.getValue().startsWith('query A {\\n  ...B\\n}')",
    "Merge fragments definitions into operation definition": "!query.getValue().includes('B')",
    "Copy query": "await navigator.clipboard.readText() === query.getValue()",
    "Re-fetch schema using introspection": "performance.getEntriesByName(schema).length > loads",
}
CHECK_STATE = """
async () => {
  const find = (selector) => document.querySelector(`${selector} .CodeMirror`).CodeMirror;
  const [query, result] = [find(".graphiql-query-editor"), find(".result-window")];
  const schema = new URL("/schema.graphql", location.origin).href;
  return Boolean(%s);
}
"""


def test_short_keys(visit: Visit, sample_server: RunningServer) -> None:
    """Each short key that the dialog lists has the effect that it names."""
    allow_clipboard(visit.page)
    page = open_graphiql(visit, token=sample_server.token)
    page.get_by_role("button", name="Open short keys dialog").click()
    rows = page.locator(".graphiql-dialog tbody tr").all()
    keys = {
        row.locator("td").nth(1).inner_text(): row.locator("code").all_inner_texts() for row in rows
    }
    page.get_by_role("button", name="Close dialog").click()
    assert set(keys) == set(SHORT_KEYS)

    page.evaluate(
        "(url) => { window.loads = performance.getEntriesByName(url).length; }",
        f"{sample_server.url}/schema.graphql",
    )
    for function, state in SHORT_KEYS.items():
        write_operation(page, "query A{...B} fragment B on Query{__typename}")
        page.get_by_role("textbox", name="Query Editor").focus()
        page.keyboard.press("+".join(keys[function]).replace("Ctrl", "Control"))
        wait_until(lambda state=state: page.evaluate(CHECK_STATE % state))
        page.keyboard.press("Escape")


# Dialogs and themes ---------------------------------------------------------------------------------


def test_dialogs(start_visit: StartVisit, sample_server: RunningServer) -> None:
    """The close button is visible, the policy is kept, and there is no option for headers."""
    visit = start_visit(sample_server.url)
    page = open_graphiql(visit)
    for name in DIALOGS:
        page.get_by_role("button", name=name).click()
        close = page.get_by_role("button", name="Close dialog")
        box = close.locator("svg").bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24
        expect(page.get_by_text("headers")).to_have_count(0)
        close.click()
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert list_problems(visit) == []


def read_theme(page: Page) -> tuple[str, str]:
    """Return the chosen theme of the pages, and the one that GraphiQL's settings show."""
    page.get_by_role("button", name="Open settings dialog").click()
    shown = page.locator(".graphiql-button-group .active").inner_text()
    page.keyboard.press("Escape")
    return page.evaluate("() => theme.get()"), shown


def test_one_theme_for_all_pages(visit: Visit) -> None:
    """The choice in GraphiQL's settings holds for other pages, and theirs for GraphiQL."""
    page = open_graphiql(visit)
    assert read_theme(page) == ("system", "System")
    page.get_by_role("button", name="Open settings dialog").click()
    page.get_by_role("button", name="Dark").click()
    page.keyboard.press("Escape")
    assert read_theme(page) == ("dark", "Dark")
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    page.evaluate("() => theme.set('light')")
    page.goto("/graphql")
    wait_for_editors(page)
    expect(page.locator("body")).to_have_class(re.compile("graphiql-light"))
    page.evaluate("() => theme.set('dark')")
    expect(page.locator("body")).to_have_class(re.compile("graphiql-dark"))
    assert read_theme(page) == ("dark", "Dark")
    page.get_by_role("button", name="Open settings dialog").click()
    page.get_by_role("button", name="System").click()
    page.keyboard.press("Escape")
    assert read_theme(page) == ("system", "System")


# Layout ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_layout(start_visit: StartVisit, sample_server: RunningServer, theme: ColorScheme) -> None:
    """The page never scrolls sideways, each panel is reachable, and axe finds nothing serious."""
    visit = start_visit(sample_server.url, theme)
    page = open_graphiql(visit)
    check_widths(visit, f"graphiql-{theme}-signed-out")
    open_graphiql(visit, token=sample_server.token)
    run_operation(page)
    expect(find_summary(page)).to_contain_text("200")
    check_widths(visit, f"graphiql-{theme}-result")
    for name in PANELS:
        page.get_by_role("button", name=f"Show {name}").click()
        check_widths(visit, f"graphiql-{theme}-{name.lower()}")
        page.get_by_role("button", name=f"Hide {name}").click()
    for name in (*DIALOGS, "Examples", "Copy as code"):
        page.get_by_role("button", name=name).click()
        check_widths(visit, f"graphiql-{theme}-{name.lower()}")
        page.keyboard.press("Escape")
    assert list_problems(visit) == []


def check_widths(visit: Visit, name: str) -> None:
    """Check the page in its state at each width, and save screenshots."""
    for width in WIDTHS:
        visit.page.set_viewport_size({"width": width, "height": 800})
        visit.page.wait_for_timeout(50)
        visit.screenshot(f"{name}-{width}")
        overflow = visit.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0
        if width != 768:
            assert visit.find_violations() == []


def test_narrow_screen(visit: Visit, sample_server: RunningServer) -> None:
    """At 400 pixels each panel has the full width, and the result scrolls into view."""
    visit.page.set_viewport_size({"width": 400, "height": 800})
    page = open_graphiql(visit, token=sample_server.token)
    for panel in (".graphiql-query-editor .CodeMirror", ".graphiql-editor-tool .CodeMirror"):
        page.locator(panel).click()
        box = page.locator(panel).bounding_box()
        assert box is not None
        assert box["width"] > 300
    run_operation(page)
    expect(find_result(page)).to_be_in_viewport(ratio=0.9)
    expect(find_summary(page)).to_be_in_viewport()
    page.get_by_role("button", name="Show Documentation Explorer").click()
    expect(page.locator(".graphiql-plugin")).to_be_in_viewport(ratio=0.9)
