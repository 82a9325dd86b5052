"""The generated module runs, says what the document says, and checks what it promises."""

import ast
import itertools
import sys
import types

import pytest

from flagkit.authoring import AuthoringDocument, compile_document
from flagkit.codegen import generate
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot


def document(flags, values=None):
    return FlagDocument.parse({"version": "1", "flags": flags, "values": values or {}})


class Served:
    """What the generated code asks for, answered by a snapshot."""

    def __init__(self, values):
        self.snapshot = Snapshot.from_document({"version": "1", "values": values})

    def evaluate(self, key, user_id=None, context=None):
        return self.snapshot.evaluate(key, user_id, context)

    def is_enabled(self, key, user_id=None, context=None, *, default=False):
        on = self.evaluate(key, user_id, context).is_on
        return default if on is None else on


@pytest.fixture
def load(monkeypatch):
    """Run generated text as a module; dataclasses look it up among the loaded ones."""

    def run(text):
        module = types.ModuleType("generated_flags")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(text, module.__name__, "exec"), module.__dict__)
        return vars(module)

    return run


CONSTRAINTS = {
    "color": {"type": "string", "enum": ["red", "blue"]},
    "title": {"type": "string"},
    "limit": {"type": "number"},
    "beta": {"type": "boolean"},
    "tags": {"type": "array", "elements": {"type": "string"}},
    "sizes": {"type": "array", "elements": {"type": "number"}},
    "list": {"type": "array"},
}
ATTRIBUTES = {name: {"constraints": constraints} for name, constraints in CONSTRAINTS.items()} | {"free": {}}
GOOD = {
    "color": "red",
    "title": "T",
    "limit": 2.5,
    "beta": True,
    "tags": ["a"],
    "sizes": [1, 2.5],
    "list": [1],
    "free": ["x"],
}


def test_a_plain_flag_is_a_question_with_a_boolean_answer(load):
    module = load(generate(document({"new-search": {}}, {"new-search": {"enabled": True}}), module_name="shop_flags"))
    flags = module["ShopFlags"](Served({"new-search": {"enabled": True}}))
    assert flags.new_search("user") is True
    assert module["ShopFlags"](Served({})).new_search("user", default=True) is True


def test_attributes_and_variants_are_typed_fields(load):
    variants = [
        {"name": "vip", "enabled": True, "rule": '(in $userId ["1"])', "attributeValues": GOOD},
        {"name": "default", "enabled": False},
    ]
    content = {"checkout": {"_variants": variants}}
    text = generate(document({"checkout": {"attributes": ATTRIBUTES}}, content), module_name="shop.flags")
    module = load(text)
    flags = module["TypedFlags"](Served(content))
    answer = flags.checkout("1")
    assert (answer.enabled, answer.variant, answer.color, answer.title, answer.limit) == (True, "vip", "red", "T", 2.5)
    assert (answer.beta, answer.tags, answer.sizes, answer.list_, answer.free) == (True, ("a",), (1, 2.5), (1,), ("x",))
    off = flags.checkout("2")
    assert (off.enabled, off.variant, off.color, off.tags, off.free) == (False, "default", None, None, None)
    assert flags.checkout("1", {"x": 1}) == answer


def test_a_document_that_changed_since_reads_as_none(load):
    """Nothing but what is declared gets through, whatever is served."""
    module = load(generate(document({"f": {"attributes": ATTRIBUTES}}), module_name="flags"))
    junk = [None, "green", 1, True, [1, "a"], ["a", 1], {"a": 1}, [True], []]
    allowed = {
        "color": (),
        "title": (str,),
        "limit": (int, float),
        "beta": (bool,),
        "tags": (tuple,),
        "sizes": (tuple,),
        "list_": (tuple,),
        "free": (str, int, float, bool, tuple),
    }
    for value in junk:
        served = {"f": {"enabled": True, **dict.fromkeys(ATTRIBUTES, value)}}
        answer = module["TypedFlags"](Served(served)).f()
        for name, kinds in allowed.items():
            got = getattr(answer, name)
            assert got is None or type(got) in kinds, (name, value)
            if isinstance(got, tuple):
                assert all(isinstance(item, str) for item in got) or not any(isinstance(i, str | bool) for i in got)
    missing = module["TypedFlags"](Served({})).f()
    assert missing.enabled is False
    assert missing.color is None


def test_names_that_python_can_not_use_are_bent(load):
    flags = {key: {} for key in ("class", "a-b", "a_b", "print", "flags", "self")}
    attributes = {name: {} for name in ("variant", "def", "str", "x-y", "x_y")}
    variants = {"w": {"_variants": [{"name": "only", "enabled": True}]}}
    text = generate(document({**flags, "w": {"attributes": attributes}}, variants), module_name="my-flags")
    module = load(text)
    made = module["MyFlags"]
    for name in ("class_", "a_b", "a_b_2", "print_", "flags", "w"):
        assert callable(getattr(made, name))
    fields = set(module["WAnswer"].__dataclass_fields__)
    assert fields == {"enabled", "variant", "variant_", "def_", "str_", "x_y", "x_y_2"}


def test_class_names_never_collide(load):
    enum = {"attributes": {"variant": {"constraints": {"type": "string", "enum": ["x"]}}, "b": {}}}
    keys = ["a-b", "aB", "a_b", "aBVariant", "aBAnswer", "flags", "mapping", "literal"]
    text = generate(document(dict.fromkeys(keys, enum)), module_name="flags")
    module = load(text)
    names = [
        line.split("(")[0].split(" =")[0] for line in text.splitlines() if line[:6] == "class " or " = Literal" in line
    ]
    assert len(names) == len(set(names))
    assert module["TypedFlags"]


def test_names_that_classes_and_other_flags_have_do_not_collide(load):
    enum = {"constraints": {"type": "string", "enum": ["x"]}}
    flags = {
        "shop": {"attributes": {"flags": enum, "mro": enum}},
        "shop_flags": {},
        "a": {"attributes": {"bAnswer": enum}},
        "aB": {"attributes": {"x": enum}},
    }
    text = generate(document(flags), module_name="shop_flags")
    made = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert len(made) == len(set(made))
    module = load(text)
    assert set(made) <= {*module}
    assert {"flags", "mro"} < set(module["ShopAnswer"].__dataclass_fields__)


@pytest.mark.parametrize("name", ["flags", "a.b.flags", "1", "", "literal"])
def test_odd_module_names_fall_back(name):
    assert "class TypedFlags:" in generate(document({"f": {}}), module_name=name)


def test_any_text_is_safe_in_the_module(load):
    """Names and descriptions from documents never become code."""
    odd = ['"""', "\\", "'", '"', "é😀", "\u2028", "\x7f", "\x00", "'''\\"]
    flags = {
        f"f{index}": {
            "name": text,
            "description": f"{text}\n{text}",
            "attributes": {"a": {"constraints": {"type": "string", "enum": [text, f"{text}2", "\n"]}}},
        }
        for index, text in enumerate(odd)
    }
    values = {
        f"f{index}": {"_variants": [{"name": text, "enabled": True, "attributeValues": {"a": text}}]}
        for index, text in enumerate(odd)
    }
    module = load(generate(document(flags, values), module_name="flags"))
    made = module["TypedFlags"](Served(values))
    for index, text in enumerate(odd):
        answer = getattr(made, f"f{index}")()
        assert (answer.variant, answer.a) == (text, text)


def test_the_same_document_makes_the_same_module():
    flags = {"b": {}, "a": {"attributes": ATTRIBUTES}}
    one, other = (generate(document(dict(order)), module_name="m") for order in itertools.permutations(flags.items()))
    assert one == other
    assert "_text(" in one
    assert "_text(" not in generate(document({"b": {}}), module_name="m")


def test_where_segments_are_kept_is_not_generated():
    document = compile_document(AuthoringDocument.parse({"segments": {"staff": {"users": ["1"]}}}))
    assert "flagkit-segments" not in generate(document, module_name="shop_flags")


def test_killing_a_flag_does_not_change_the_module():
    source = {"flags": {"button": {"variants": [{"name": "red", "weight": 50}, {"name": "blue"}]}}}
    killed = {"flags": {"button": {**source["flags"]["button"], "enabled": False}}}
    modules = [generate(compile_document(AuthoringDocument.parse(it)), module_name="m") for it in (source, killed)]
    assert modules[0] == modules[1]
    assert "switched off" not in modules[1]
