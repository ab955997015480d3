"""Flows and what is bound to them, as tests of diagrams make them up."""

from collections.abc import Sequence
from dataclasses import replace

from gql.diagram.flow import FlowSummary
from models.queries.bindings import PolicyBindingRow, StageBindingRow

PK = "0b1d3c5e-0000-4000-8000-000000000001"
EXPRESSION = "authentik_policies_expression.expressionpolicy"
PROMPT = "authentik_stages_prompt.promptstage"


def flow(title: str = "Welcome!", mode: str = "all", **others: str) -> FlowSummary:
    """A flow that policies are bound to as `flow`."""
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
    return FlowSummary(**(values | others))


def stage(
    name: str, model: str | None = PROMPT, mode: str = "all", action: str = "retry"
) -> StageBindingRow:
    """A stage, in a binding that policies are bound to by the stage's name."""
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


def binding(
    *, group: str | None = None, user: str | None = None, negate: bool = False, enabled: bool = True
) -> PolicyBindingRow:
    """A binding of a group or a user, or of nothing."""
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
        group_name=group,
        username=user,
    )


def policy(
    name: str, model: str | None = EXPRESSION, *, negate: bool = False, enabled: bool = True
) -> PolicyBindingRow:
    """A binding of a policy."""
    unbound = binding(negate=negate, enabled=enabled)
    named = replace(unbound, pk=name, policy=name, policy_name=name, policy_model=model)
    return replace(named, execution_logging=False)


# What would end a label, a line or a text, or mean something, if it were not escaped.
ODD_NAMES: Sequence[str] = (
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
