"""Cases of other flag systems' public suites as rows of `conformance/conditions.json`, by converters to our conditions.

Run it with the directory of the checkouts: `python tests/laws/peer_suites.py DIRECTORY`. It writes the rows again and
prints, for each suite, how many cases have a condition and why the others have none. The rows hold conditions of ours,
not text of theirs; `conformance/README.md` names sources and licences.
"""

import datetime as dt
import itertools
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

import yaml

from flagkit.authoring.language import read_where
from flagkit.authoring.language.lexer import quoted
from flagkit.authoring.language.versions import Version
from flagkit.errors import EditError

ROWS = Path(__file__).parents[2] / "conformance" / "conditions.json"
NAME = re.compile(r"[A-Za-z_][\w:@/-]*(?:\.[\w:@/-]+)*")
ORDER = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


class NotExpressible(Exception):  # noqa: N818 - a case, not a fault
    """A case has no condition; its text says why."""


def name(key):
    if not NAME.fullmatch(key):
        raise NotExpressible("an attribute name that a condition can't have")
    return key


def text(value):
    if value is None or isinstance(value, list | dict):
        raise NotExpressible("null, a list or an object as the value")
    return value if isinstance(value, str) else json.dumps(value)


def literal(value):
    return quoted(value) if isinstance(value, str) else text(value)


def joined(word, parts):
    parts = list(parts)
    if not parts:
        raise NotExpressible("an empty list")
    return parts[0] if len(parts) == 1 else f"({f' {word} '.join(parts)})"


def elements(key, values, case=""):
    return [f"{quoted(text(value))} in {key}{case}" for value in values]


def members(key, values, case=""):
    """A text that is one of the values, or a list with one of them as an element."""
    if not isinstance(values, list):
        raise NotExpressible("a list operator without a list")
    among = f"{key} in [{', '.join(quoted(text(value)) for value in values)}]{case}" if values else None
    return joined("or", [*filter(None, [among]), *elements(key, values, case)])


def version(value):
    found = Version.read(value) if isinstance(value, str) else None
    if found is None:
        raise NotExpressible("not a semantic version")
    return found


# GrowthBook: conditions in MongoDB's style


def growthbook(checkouts):
    cases = json.loads((checkouts / "growthbook-python/tests/cases.json").read_text())["evalCondition"]
    for title, condition, attributes, answer, *groups in cases:
        context = {key.replace("$", "_"): value for key, value in attributes.items()}
        yield title, lambda c=condition, g=groups: _gb(c, g[0] if g else {}), context, answer


def _gb(condition, groups):
    parts = []
    for key, value in condition.items():
        match key:
            case "$and" | "$or":
                parts.append(joined(key[1:], [_gb(each, groups) for each in value]))
            case "$nor":
                parts.append(f"not {joined('or', [_gb(each, groups) for each in value])}")
            case "$not":
                parts.append(f"not ({_gb(value, groups)})")
            case _:
                parts.append(_gb_field(name(key.replace("$", "_")), value, groups))
    return joined("and", parts)


def _gb_field(key, value, groups):
    if isinstance(value, dict) and any(operator.startswith("$") for operator in value):
        return joined("and", [_gb_test(key, operator, wanted, groups) for operator, wanted in value.items()])
    return f"{key} is missing" if value is None else f"{key} = {literal(value)}"


def _gb_test(key, operator, value, groups):  # noqa: PLR0911
    operator = operator.removeprefix("$")
    negated, plain = operator.startswith(("n", "not")), operator.removeprefix("not").removeprefix("n").lower()
    lead, case = "not " if negated else "", " ignoring case" if operator.endswith("i") else ""
    match plain:
        case "eq" | "e":
            missing = f"{key} {'exists' if negated else 'is missing'}"
            return missing if value is None else f"{lead}{key} = {literal(value)}"
        case "lt" | "lte" | "gt" | "gte":
            return f"{key} {ORDER[plain]} {literal(value)}"
        case "veq" | "vne":
            return f"{key} {'=' if plain == 'veq' else '!='} {version(value)}"
        case "vlt" | "vlte" | "vgt" | "vgte":
            return f"{key} {ORDER[plain[1:]]} {version(value)}"
        case "in" | "ini" if operator != "not":
            return lead + members(key, value, case)
        case "all" | "alli":
            return joined("and", elements(key, value, case))
        case "regex" | "regexi":
            return f"{lead}{key} matches {quoted(('(?i)' if case else '') + value)}"
        case "exists":
            return f"{key} exists" if value else f"{key} is missing"
        case "" | "ot" if operator == "not":
            return f"not ({_gb_field(key, value, groups)})"
        case "elemmatch" if set(value) <= {"$eq", "$in"}:
            return joined("or", elements(key, value.get("$in", [value.get("$eq")])))
        case "ingroup":
            return lead + members(key, groups.get(value, []))
    raise NotExpressible(f"the operator ${operator}")


# LaunchDarkly: clauses


def launchdarkly(checkouts):
    left_out = ("rollout", "segment", "target", "variation", "errors", "json", "prerequisites")
    for path in sorted((checkouts / "sdk-test-harness/data/data-files/server-side-eval").glob("*.yml")):
        if path.stem.startswith(left_out):
            continue
        content = yaml.safe_load(path.read_text())
        rows = content.get("parameters") or [{}]
        if isinstance(rows[0], list):
            rows = [{key: each[key] for each in row for key in each} for row in itertools.product(*rows)]
        for row in rows:
            given = {**content.get("constants", {}), **row}
            flags = _filled(content["sdkData"], given)["flags"]
            for case in _filled(content["evaluations"], given):
                flag = flags[case["flagKey"]]
                if flag.get(True) and flag.get("rules"):  # YAML 1.1 reads the key `on` as true
                    context = case["context"]
                    title = f"{path.stem}: {case['name']}"
                    yield title, lambda f=flag, c=context: _ld(f, c), _ld_context(context), _ld_answer(case)


def _filled(value, given):
    match value:
        case str() if (found := re.fullmatch(r"<(\w+)>", value)) and found[1] in given:
            return _filled(given[found[1]], given)
        case str():
            return re.sub(r"<(\w+)>", lambda found: str(given.get(found[1], found[0])), value)
        case list():
            return [_filled(each, given) for each in value]
        case dict():
            return {key: _filled(each, given) for key, each in value.items()}
    return value


def _ld_answer(case):
    return case["expect"]["reason"]["kind"] == "RULE_MATCH"


def _ld_context(context):
    fields = {key: value for key, value in context.items() if key not in {"custom", "_meta", "key"}}
    return {"userId": context.get("key"), "kind": "user", "anonymous": False, **fields, **context.get("custom", {})}


def _ld(flag, context):
    clauses = [clause for rule in flag["rules"] for clause in rule["clauses"]]
    kinds = {clause.get("contextKind", "user") for clause in clauses} | {context.get("kind", "user")}
    if kinds != {"user"}:
        raise NotExpressible("several kinds of context")
    return joined("or", [joined("and", map(_ld_clause, rule["clauses"])) for rule in flag["rules"]])


def _ld_clause(clause):
    key = clause["attribute"]
    key = name({"key": "userId"}.get(key, key[1:].replace("/", ".") if key.startswith("/") else key))
    test = joined("or", [_ld_test(key, clause["op"], value) for value in clause["values"]])
    return f"({key} exists and not {test})" if clause.get("negate") else test


def _ld_test(key, operator, value):
    words = {"startsWith": "starts with", "endsWith": "ends with", "contains": "contains", "matches": "matches"}
    numbers = {"lessThan": "<", "lessThanOrEqual": "<=", "greaterThan": ">", "greaterThanOrEqual": ">="}
    versions = {"semVerEqual": "=", "semVerLessThan": "<", "semVerGreaterThan": ">"}
    if operator == "in":
        return joined("or", [f"{key} = {literal(value)}", *elements(key, [value])])
    if operator in versions:
        return f"{key} {versions[operator]} {version(value)}"
    if operator in numbers and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{key} {numbers[operator]} {literal(value)}"
    if operator in words and isinstance(value, str):
        return f"{key} {words[operator]} {literal(value)}"
    if operator in {"before", "after"}:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = dt.datetime.fromtimestamp(value / 1000, dt.UTC).isoformat().replace("+00:00", "Z")
        return f"{key} {operator} {value}"
    raise NotExpressible("an unknown operator, or a value of another type")


# Unleash: strategies and constraints


def unleash(checkouts):
    for path in sorted((checkouts / "client-specification/specifications").glob("[0-9]*.json")):
        content = json.loads(path.read_text())
        flags = {flag["name"]: flag for flag in content["state"].get("features") or []}
        segments = {each["id"]: each["constraints"] for each in content["state"].get("segments", [])}
        for case in content.get("tests", []) if flags else []:
            context = {**case["context"], **case["context"].get("properties", {})}
            context.pop("properties", None)
            if flags.get(case["toggleName"], {}).get("enabled"):
                flag = flags[case["toggleName"]]
                title = f"{path.stem}: {case['description']}"
                yield title, lambda f=flag, s=segments, g=flags: _ul(f, s, g), context, case["expectedResult"]


def _ul(flag, segments, flags):
    own = [_ul_strategy(strategy, segments) for strategy in flag["strategies"]]
    everyone = not own or None in own
    parts = [] if everyone else [joined("or", own)]
    for parent in flag.get("dependencies") or ():
        if parent["feature"] not in flags:
            raise NotExpressible("a prerequisite that doesn't exist: it is refused")
        parts.append(_ul_parent(parent, flags[parent["feature"]]))
    if not parts:
        raise NotExpressible("no condition")
    return joined("and", parts)


def _ul_parent(parent, flag):
    if flag.get("dependencies"):
        raise NotExpressible("prerequisites of prerequisites, which they don't have")
    key = re.sub(r"\W", "_", parent["feature"])
    if parent.get("enabled") is False:
        return f"requires {key} = off"
    variants = [variant["name"] for strategy in flag["strategies"] for variant in strategy.get("variants", [])]
    wanted = [each for each in parent.get("variants") or () if each in variants]
    if parent.get("variants") and not wanted and parent["variants"] != ["disabled"]:
        raise NotExpressible("a variant that doesn't exist: it is refused")
    return joined("or", [f"requires {key} = {quoted(each)}" for each in wanted]) if wanted else f"requires {key}"


def _ul_strategy(strategy, segments):
    given = strategy.get("parameters", {})
    parts = []
    match strategy["name"]:
        case "default":
            pass
        case "userWithId":
            parts.append(f"userId in [{', '.join(quoted(each.strip()) for each in given['userIds'].split(','))}]")
        case "remoteAddress":
            parts.append(f"remoteAddress in cidr [{given['IPs']}]")
        case "flexibleRollout" if str(given.get("rollout")) == "100":
            pass
        case _:
            raise NotExpressible("a percentage by their hash")
    constraints = list(strategy.get("constraints") or [])
    for number in strategy.get("segments") or []:
        if number not in segments:
            raise NotExpressible("a segment that doesn't exist: it is refused")
        constraints += segments[number]
    parts += map(_ul_constraint, constraints)
    return joined("and", parts) if parts else None


def _ul_constraint(constraint):
    key, operator, values = name(constraint["contextName"]), constraint["operator"], constraint.get("values", [])
    value, case = constraint.get("value"), " ignoring case" if constraint.get("caseInsensitive") else ""
    lead = "not " if constraint.get("inverted") else ""
    words = {"STR_STARTS_WITH": "starts with", "STR_ENDS_WITH": "ends with", "STR_CONTAINS": "contains"}
    kind, _, relation = operator.partition("_")
    if operator in {"IN", "NOT_IN"}:
        if not values:
            raise NotExpressible("an empty list")
        return f"{lead}{key} {operator.lower().replace('_', ' ')} [{', '.join(map(quoted, values))}]"
    if operator in words:
        return lead + joined("or", [f"{key} {words[operator]} {quoted(each)}{case}" for each in values])
    if kind == "NUM":
        return f"{lead}{key} {ORDER.get(relation.lower(), '=')} {value}"
    if kind == "SEMVER":
        return f"{lead}{key} {ORDER.get(relation.lower(), '=')} {version(value)}"
    if kind == "DATE":
        return f"{lead}{key.replace('currentTime', 'now')} {relation.lower()} {value}"
    if kind == "REGEX":
        return f"{lead}{key} matches {quoted(('(?i)' if case else '') + value)}"
    if operator == "IN_CIDR":
        return f"{lead}{key} in cidr [{', '.join(values)}]"
    raise NotExpressible("an unknown operator")


SUITES = {"GrowthBook": growthbook, "LaunchDarkly": launchdarkly, "Unleash": unleash}


def rows(checkouts, counts_by_suite):
    """Yield a row for each case that has a condition, once for each condition and context."""
    seen = set()
    for suite, cases in SUITES.items():
        for title, convert, context, answer in cases(checkouts):
            try:
                condition = convert()
                read_where(condition)
            except (NotExpressible, EditError) as error:
                why = error.message.splitlines()[0] if isinstance(error, EditError) else str(error)
                counts_by_suite[suite][f"no condition: {why}"] += 1
                continue
            counts_by_suite[suite]["rows"] += 1
            row = {"suite": suite, "case": title, "condition": condition, "context": context, "answer": answer}
            if (place := json.dumps([condition, context])) not in seen:
                seen.add(place)
                yield row


if __name__ == "__main__":
    counts_by_suite = defaultdict(Counter)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows(Path(sys.argv[1]), counts_by_suite)]
    ROWS.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")
    for suite, counts in counts_by_suite.items():
        print(suite, *(f"  {count} {why}" for why, count in counts.most_common()), sep="\n")
