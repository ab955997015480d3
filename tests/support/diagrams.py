"""Rows of flows, stage bindings and policy bindings for the tests of diagrams."""

from collections.abc import Sequence
from dataclasses import replace

from gql.diagram.flow import FlowSummary
from models.queries.bindings import PolicyBindingRow, StageBindingRow

PK = "0b1d3c5e-0000-4000-8000-000000000001"
EXPRESSION = "authentik_policies_expression.expressionpolicy"
PROMPT = "authentik_stages_prompt.promptstage"


def make_flow(title: str = "Welcome!", mode: str = "all", **columns: str) -> FlowSummary:
    """Return a flow whose policy bindings have the target `flow`."""
    values = {
        "pk": PK,
        "policybindingmodel_ptr_id": "flow",
        "name": title,
        "title": title,
        "designation": "authentication",
        "policy_engine_mode": mode,
        "denied_action": "message",
        "authentication": "none",
    }
    return FlowSummary(**(values | columns))


def make_stage(
    name: str, model: str | None = PROMPT, mode: str = "all", action: str = "retry"
) -> StageBindingRow:
    """Return a stage binding. Its policy bindings have the name of the stage as their target."""
    return StageBindingRow(
        pk=name,
        policybindingmodel_ptr_id=name,
        order=0,
        evaluate_on_plan=False,
        re_evaluate_policies=True,
        invalid_response_action=action,
        policy_engine_mode=mode,
        stage=name,
        stage_name=name,
        stage_model=model,
    )


def make_binding(
    *, group: str | None = None, user: str | None = None, negate: bool = False, enabled: bool = True
) -> PolicyBindingRow:
    """Return a policy binding with a group, with a user, or with neither."""
    return PolicyBindingRow(
        pk="",
        target="",
        order=0,
        enabled=enabled,
        negate=negate,
        timeout=30,
        failure_result=False,
        policy=None,
        policy_name=None,
        execution_logging=None,
        policy_model=None,
        group=group,
        group_name=group,
        user=None if user is None else 1,
        username=user,
    )


def make_policy(
    name: str, model: str | None = EXPRESSION, *, negate: bool = False, enabled: bool = True
) -> PolicyBindingRow:
    """Return a policy binding with a policy."""
    row = make_binding(negate=negate, enabled=enabled)
    row = replace(row, pk=name, policy=name, policy_name=name, policy_model=model)
    return replace(row, execution_logging=False)


# Names that break the syntax of Mermaid, Markdown, XML or HTML unless they are escaped.
UNUSUAL_NAMES: Sequence[str] = (
    '"',
    '"]; click n0 call alert() %%',
    "#quot;",
    "#35;",
    "&lt;b&gt;",
    "<script>alert('x')</script>",
    "<img src=x onerror=alert(1)>",
    "</style></svg>",
    "]]>",
    "`code`",
    "`**bold**`",
    "_a_ *b* ~~c~~ __d__ -e-",
    "- item",
    "1. item",
    "# heading",
    "    indented",
    "[link](javascript:alert(1))",
    "https://example.com www.example.com a@example.com",
    "fa:fa-ban",
    "$$x^2$$",
    "%%{init: {'theme': 'dark'}}%%",
    "%% comment",
    "---\ntitle: x\n---",
    "two\nlines\r\nthree",
    "line\u2028separator\u2029paragraph\x85next",
    "end",
    "graph",
    "subgraph x",
    "style n0 fill:#f00;",
    "classDef a fill:#f00;",
    "a --> b | c & d ; e",
    "{{a}} (b) [c] ((d))",
    "@{ shape: circle }",
    "\ufb02\u00b0\u00b060\u00b6\u00df",
    "\\n \\u0000",
    "\u202eright to left",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\u6d41\u308c\u56f3",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea",
    "\u0939\u093f\u0928\u094d\u0926\u0940",
    "\x1b[31m \x07 \x7f \x9b",
    "\ufffe\uffff",
    "constructor",
    "__proto__",
    " ",
    "x" * 2000,
)
