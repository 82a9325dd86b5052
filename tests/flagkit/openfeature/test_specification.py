"""The public Gherkin suite of the OpenFeature specification, over flagkit's provider and AppConfig documents."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from flagkit import Flags
from flagkit.errors import SourceUnavailableError
from flagkit.openfeature import FlagkitProvider
from flagkit.sources.agent import AgentSource
from flagkit.sources.static import StaticSource
from flagkit.testing import AgentStandIn, ScriptedSource, VirtualClock

api = pytest.importorskip("openfeature.api", reason="the extra `openfeature` isn't installed")
bdd = pytest.importorskip("pytest_bdd", reason="pytest-bdd isn't installed")

from openfeature.evaluation_context import EvaluationContext  # noqa: E402
from openfeature.flag_evaluation import FlagEvaluationOptions  # noqa: E402
from openfeature.hook import Hook  # noqa: E402
from openfeature.provider import ProviderStatus  # noqa: E402

DATA = Path(__file__).parents[4] / "shared" / "data" / "openfeature-spec"
if not DATA.is_dir():
    pytest.skip(
        "the OpenFeature specification's suite isn't here: put open-feature/spec's evaluation_v2.feature, "
        f"metadata.feature and test-flags.json into {DATA}",
        allow_module_level=True,
    )

bdd.scenarios(str(DATA / "evaluation_v2.feature"), str(DATA / "metadata.feature"))

RULES = {
    "email == 'ballmer@macrosoft.com' ? 'zero' : ''": '(eq $email "ballmer@macrosoft.com")',
    "!customer && email == 'ballmer@macrosoft.com' && age > 10 ? 'internal' : ''": (
        '(and (eq $customer false) (eq $email "ballmer@macrosoft.com") (gt $age 10))'
    ),
}


def translated():
    """The suite's flags (flagd's format) as an AppConfig document (shared/data/README.md)."""
    values = {}
    for key, flag in json.loads((DATA / "test-flags.json").read_text()).items():
        default = flag.get("defaultVariant")
        if default is None:
            continue
        if flag.get("disabled"):
            values[key] = {"enabled": False, **attributes(flag["variants"][default])}
            continue
        metadata = flag.get("flagMetadata") or {}
        variants = []
        if "contextEvaluator" in flag:
            chosen = flag["contextEvaluator"].split("?")[1].split(":")[0].strip(" '")
            rule = RULES[flag["contextEvaluator"]]
            variants.append(variant(chosen, flag["variants"][chosen], metadata, rule=rule))
            if chosen == default:
                default = f"{chosen}-default"
        variants.append(variant(default, flag["variants"][default.removesuffix("-default")], metadata))
        values[key] = {"_variants": variants}
    return {"version": "1", "flags": {key: {"name": key} for key in values}, "values": values}


def variant(name, value, metadata, **rule):
    return {"name": name, "enabled": True, "attributeValues": {**attributes(value), **metadata}, **rule}


def attributes(value):
    return dict(value) if isinstance(value, dict) else {"value": value}


class ScenarioState:
    """What one scenario knows."""

    client = None
    key = kind = default = details = None

    def __init__(self):
        self.context = {}


@pytest.fixture
def state():
    yield ScenarioState()
    api.clear_providers()


@bdd.given("a stable provider")
def stable(state, request):
    if "cached" in request.node.name:
        # Only the Agent as evaluator has anything to cache: its answers for one user.
        source = AgentSource("shop", "test", "flags", ask=AgentStandIn(translated(), feature_flags=True))
    else:
        source = StaticSource(translated())
    api.set_provider_and_wait(FlagkitProvider(Flags(source, clock=VirtualClock())))
    state.client = api.get_client()


@bdd.given("a not ready provider")
def not_ready(state, request):
    gate = threading.Event()
    request.addfinalizer(gate.set)

    class Waiting(FlagkitProvider):
        def initialize(self, context):
            gate.wait(60)

    api.set_provider(Waiting(Flags(StaticSource(translated()), clock=VirtualClock())))
    state.client = api.get_client()


@bdd.given("a fatal provider")
def fatal(state):
    flags = Flags(StaticSource(translated()), clock=VirtualClock())
    flags.close()
    with pytest.raises(Exception, match="closed"):
        api.set_provider_and_wait(FlagkitProvider(flags))
    state.client = api.get_client()


@bdd.given("a error provider")
def error(state):
    flags = Flags(ScriptedSource(SourceUnavailableError("down")), clock=VirtualClock())
    with pytest.raises(Exception, match="down"):
        api.set_provider_and_wait(FlagkitProvider(flags, ready_timeout_s=0))
    state.client = api.get_client()


@bdd.given("a stale provider")
def stale(state):
    clock = VirtualClock()
    source = ScriptedSource({"a": True})
    flags = Flags(source, clock=clock)
    api.set_provider_and_wait(FlagkitProvider(flags))
    source.failure = SourceUnavailableError("down")
    clock.advance(1_000)
    flags.refresh()
    state.client = api.get_client()


@bdd.given(bdd.parsers.re(r'an? (?P<kind>\w+)-flag with key "(?P<key>.*)" and a fallback value "(?P<default>.*)"'))
def a_flag(state, kind, key, default):
    state.kind, state.key, state.default = kind, key, typed(kind, default)


@bdd.given(
    bdd.parsers.re(
        r'a context containing a key "(?P<key>.*)", with type "(?P<kind>\w+)" and with value "(?P<value>.*)"'
    )
)
def a_context(state, key, kind, value):
    state.context[key] = typed(kind, value)


@bdd.given(bdd.parsers.re(r'a context containing a key "(?P<key>.*)" with null value'))
def a_null_context(state, key):
    state.context[key] = None


def typed(kind, text):
    text = text.replace('\\"', '"')
    convert = {"Boolean": lambda word: word == "true", "String": str, "Integer": int, "Float": float}
    return json.loads(text) if kind == "Object" else convert[kind](text)


def evaluate(state, options=None):
    ask = getattr(state.client, f"get_{state.kind.lower()}_details")
    state.details = ask(state.key, state.default, EvaluationContext(attributes=state.context), options)


@bdd.when("the flag was evaluated with details")
def evaluated(state):
    evaluate(state)


@bdd.when("the flag was evaluated with details asynchronously")
def evaluated_asynchronously(state):
    ask = getattr(state.client, f"get_{state.kind.lower()}_details_async")

    async def beside_a_neighbour():
        neighbour = asyncio.create_task(asyncio.sleep(0))
        details = await ask(state.key, state.default, EvaluationContext(attributes=state.context))
        await asyncio.wait_for(neighbour, 1)
        return details

    state.details = asyncio.run(beside_a_neighbour())


@bdd.then("the evaluation should complete without blocking")
def completed(state):
    assert state.details is not None


@bdd.then(bdd.parsers.re(r'the resolved details value should be "(?P<value>.*)"'))
def value_is(state, value):
    expected = typed(state.kind, value)
    assert state.details.value == expected
    assert type(state.details.value) is type(expected)


@bdd.then(bdd.parsers.re(r'the reason should be "(?P<reason>.*)"'))
def reason_is(state, reason):
    assert state.details.reason == reason


@bdd.then(bdd.parsers.re(r'the error-code should be "(?P<code>.*)"'))
def code_is(state, code):
    assert state.details.error_code == code


@bdd.then(bdd.parsers.re(r'the flag key should be "(?P<key>.*)"'))
def key_is(state, key):
    assert state.details.flag_key == key


@bdd.then(bdd.parsers.re(r'the variant should be "(?P<name>.*)"'))
def variant_is(state, name):
    assert state.details.variant == name


@bdd.then(bdd.parsers.re(r'the provider status should be "(?P<status>.*)"'))
def status_is(state, status):
    assert state.client.get_provider_status() is ProviderStatus(status)


@bdd.then("the resolved metadata should contain")
def metadata_contains(state, datatable):
    for key, kind, value in datatable[1:]:
        assert state.details.flag_metadata[key] == typed(kind, value)
        assert type(state.details.flag_metadata[key]) is type(typed(kind, value))


@bdd.then("the resolved metadata is empty")
def metadata_is_empty(state):
    assert dict(state.details.flag_metadata) == {}


class Recording(Hook):
    """Notes when it was called."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def before(self, hook_context, hints):
        self.log.append(("before", self.name))

    def after(self, hook_context, details, hints):
        self.log.append(("after", self.name))

    def finally_after(self, hook_context, details, hints):
        self.log.append(("finally", self.name))


@bdd.given("evaluation options containing specific hooks")
def options_with_hooks(state):
    state.log = []
    state.options = FlagEvaluationOptions(hooks=[Recording("first", state.log), Recording("second", state.log)])


@bdd.when("the flag was evaluated with details using the evaluation options")
def evaluated_with_options(state):
    evaluate(state, state.options)


@bdd.then("the specified hooks should execute during evaluation")
def hooks_ran(state):
    assert {name for _, name in state.log} == {"first", "second"}


@bdd.then("the hook order should be maintained")
def hooks_in_order(state):
    assert state.log == [
        ("before", "first"),
        ("before", "second"),
        ("after", "second"),
        ("after", "first"),
        ("finally", "second"),
        ("finally", "first"),
    ]


@bdd.given("an evaluation context with modifiable data")
def modifiable_context(state):
    state.context = {"list": [1, 2], "nested": {"a": 1}}


@bdd.then("the original evaluation context should remain unmodified")
def context_unmodified(state):
    assert state.context == {"list": [1, 2], "nested": {"a": 1}}


@bdd.then("the evaluation details should be immutable")
def details_immutable(state):
    with pytest.raises(TypeError):
        state.details.flag_metadata["new"] = 1
