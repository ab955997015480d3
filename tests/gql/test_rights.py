"""Random sets of rights, compared with an independent model of what a viewer may see."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import hypothesis
import pytest

from support.app_client import AppClient
from support.databases import KINDS
from support.expected_graph import execute
from support.postgres import PostgresServer
from support.rights_comparison import Comparison, RightsSite, add_viewers, open_site
from support.rights_data import (
    CODENAMES,
    COMMON_ROWS,
    CONTENT,
    PERMISSION_IDS,
    REAL,
    RightsRows,
    build_rights,
)
from support.rights_model import Access, find_rights
from support.rights_tables import FLOWS, MODEL_GRANTS, OBJECT_GRANTS, merge_rows

# The number of random sets of rights on each kind of database, by Hypothesis profile.
COUNT = {"default": 150, "full": 5000}[hypothesis.settings.get_current_profile_name()]
PAGED = COUNT // 10
PAGE = "query ($c: String) {{ flowConnection({}: 1, {}: $c) {{ edges {{ cursor node {{ slug }} }} }} }}"
FORWARD, BACKWARD = PAGE.format("first", "after"), PAGE.format("last", "before")


@pytest.fixture(scope="module", params=KINDS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RightsSite]:
    """Run FlowQL on each kind of database in turn, with the small content."""
    url = f"sqlite:///{tmp_path_factory.mktemp('rights') / 'flowql.db'}"
    if request.param != "sqlite":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database(f"rights_{request.param}")
    with open_site(request.param, url) as opened:
        yield opened


@pytest.fixture(scope="module")
def comparison(site: RightsSite) -> Comparison:
    """Compare the responses for all viewers of a database."""
    comparison = Comparison(site)
    comparison.run(COUNT)
    return comparison


def test_responses_show_what_the_viewer_may_see(comparison: Comparison) -> None:
    """Each response has the data and the errors that the model states."""
    if comparison.wrong:
        pytest.fail("\n".join(comparison.wrong), pytrace=False)


def test_hidden_rows_change_no_byte(comparison: Comparison) -> None:
    """Each response is the same without the rows that are hidden from the viewer."""
    if comparison.dependent:
        pytest.fail("\n".join(comparison.dependent), pytrace=False)


def test_comparison_finds_changes(site: RightsSite) -> None:
    """Another name of a visible flow fails both comparisons; the failures describe the rights."""
    viewers = next(add_viewers(site, 5))
    viewer = next(viewer for viewer in viewers if viewer.view.flows)
    site.database.write({FLOWS: [{**row, "name": "other"} for row in viewer.view.rows[FLOWS]]})
    comparison = Comparison(site)
    comparison.compare([viewer])
    for failures in (comparison.wrong, comparison.dependent):
        assert failures
        assert all(str(viewer.rights) in failure for failure in failures)


def test_paging_visits_each_visible_flow(site: RightsSite) -> None:
    """Pages of one flow, forward and backward, contain each visible flow once, in order."""
    for viewer in chain.from_iterable(add_viewers(site, PAGED)):
        if not viewer.view.rights.is_forbidden:
            slugs = [row["slug"] for row in viewer.view.flows]
            assert list(visit(site.client, FORWARD, viewer.rights.key)) == slugs
            assert list(visit(site.client, BACKWARD, viewer.rights.key)) == slugs[::-1]


def visit(client: AppClient, query: str, key: str) -> Iterator[str]:
    """Yield the slugs of all pages, which have one flow each."""
    cursor = None
    while edges := execute(client, query, key, c=cursor)["flowConnection"]["edges"]:
        [edge] = edges
        yield edge["node"]["slug"]
        cursor = edge["cursor"]


@pytest.fixture(scope="module")
def samples() -> Sequence[RightsRows]:
    """Build random sets of rights without a database."""
    return [build_rights("sample", number, has_scopes=True) for number in range(1000)]


def test_random_rights_have_each_access(samples: Sequence[RightsRows]) -> None:
    """Each permission is had for all, for some and for no objects."""
    found = [
        find_rights(merge_rows(CONTENT, COMMON_ROWS, item.rows), item.token) for item in samples
    ]
    for codename in CODENAMES:
        for access in Access:
            assert sum(rights.access(codename) is access for rights in found) >= 20, (
                codename,
                access,
            )


def test_random_rights_have_each_special_case(samples: Sequence[RightsRows]) -> None:
    """There are forbidden viewers, viewers without flows, superusers, exporters and scopes."""
    found = [
        find_rights(merge_rows(CONTENT, COMMON_ROWS, item.rows), item.token) for item in samples
    ]
    cases = {
        "forbidden": [rights.is_forbidden for rights in found],
        "no flows": [not (rights.is_forbidden or rights.has_any("view_flow")) for rights in found],
        "everything": [rights.has_all(*CODENAMES) for rights in found],
        "export": [rights.may_export and rights.has_any("export_flow") for rights in found],
        "scope": [rights.has_scope for rights in found],
    }
    assert all(sum(values) >= 20 for values in cases.values()), cases


@pytest.mark.parametrize("table", [MODEL_GRANTS, OBJECT_GRANTS])
def test_random_rights_use_each_path(samples: Sequence[RightsRows], table: str) -> None:
    """Each permission is granted to roles of users, of groups, of their ancestors, and of others."""
    codenames = {PERMISSION_IDS[permission]: codename for codename, permission in REAL.items()}
    grants = Counter(
        (codenames.get(row["permission_id"]), item.paths[row["role_id"]])
        for item in samples
        for row in item.rows[table]
    )
    for codename in CODENAMES:
        for path in ("user", "own group", "ancestor", "none"):
            assert grants[codename, path] >= 20, (codename, path)
