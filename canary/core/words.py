"""How a target is spoken of: functions whose versions share requests, or a flag that users have. Only words.

This is the one place where the two differ: every text that depends on it asks `words_of` for its words.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from canary.core.phases import Phase

if TYPE_CHECKING:
    from canary.core.alias import AliasState

FLAG: Final = "flag."
"""How the name begins that stands for a flag in a stage; no Lambda function has a dot in its name."""

EVERYBODY: Final = "2"
"""The "version" of a flag that everybody has; the port `Aliases` speaks of versions."""


def flag_of(function: str) -> str:
    """The flag that "flag.new_checkout" or "flag.new_checkout:on" stands for; empty for a Lambda function."""
    return function.removeprefix(FLAG).partition(":")[0] if function.startswith(FLAG) else ""


def shown(key: str) -> str:
    """What people read for `FunctionRef.key`: "api:live"; of a flag "new_checkout", or "button:red" of a variant."""
    return key.removeprefix(FLAG).removesuffix(":on") if key.startswith(FLAG) else key


class Words:
    """Functions: a version gets a share of an alias' requests.

    Attributes:
        run: what a canary of it is called.
        unit: what its gates count.
        weight: what the share that a step has is called.
        candidate: what is judged.
        at_candidate: where the candidate is counted.
        against: whom evidence speaks against.
        rest: what the candidate is compared with, in a log line.
        verified_new: every write of a promotion is verified.
        verified_old: every write of a rollback is verified.
    """

    run = "release"
    of_stage = "to"
    synthetic = "traffic"
    at_rest = "on the baseline"
    as_good = "as good as the baseline"
    harmless = "with a new version as good as the baseline"
    already_unhealthy = "the baseline is already unhealthy"
    ones = "versions"
    failing = "errors"
    both = "both versions"
    act = "release"
    unit = "requests"
    weight = "weight"
    candidate = "the new version"
    at_candidate = "on the new version"
    against = "against the new version"
    rest = "baseline"
    alone = "the baseline has no traffic to compare with"
    alike = "both versions exceed it"
    unsure = "there is too little evidence that only the new version does"
    old_rate = "the old version's rate"
    verified_new = "every alias is verified on the new version"
    verified_old = "every alias is verified on the baseline"
    back = "every alias verified on the baseline"
    arms_title = "Users with and without the variant"
    gone = "an alias or its function was deleted"
    changed = "the aliases were changed outside this canary"
    found_promoted = "found promoted: every alias serves the new version, and its record is gone"
    found_rolled_back = "found rolled back: every alias serves the baseline, and its record is gone"
    found_unstarted = "its record is gone, and no traffic was shifted"
    refused = "AWS refused the next step"
    store = "AWS"
    without_dead_man = "Deploy `canary infra {stage}`, or set dead_man in the plan."
    taken = "Another release may be in progress. `canary rollback STAGE` clears weights that canary has set."
    nothing_new = ""
    these_weights = "these weights"
    now = "what each alias serves"
    of_what_is_live = "of the live versions"
    all_to_candidate = "Shift all traffic of {stage} to the new version?"
    columns = ("function", "alias", "baseline", "new", "weight of the new version")
    subject = "function"
    gate_columns = ("function", "gate", "status", "new", "interval", "baseline", "limit", "odds")
    counted_title = "Requests on the new version"
    share_title = "Traffic on"
    a_place = "an alias"
    places = "aliases"
    share_heading = "Traffic"
    unexplained = "Weights without a canary"
    reverts = "Sends all traffic of the stage to the versions before its last canary."

    def verb(self, call: str) -> str:
        """What a call does, where `call` begins with the name of AWS's action."""
        return call

    def arms(self, baseline: str, candidate: str) -> tuple[str, str]:
        """Baseline and candidate, as columns name them."""
        return f"version {baseline} (baseline)", f"version {candidate} (new)"

    def counted_at(self, baseline: str, candidate: str) -> tuple[str, str]:
        """Where candidate and baseline were counted; without numbers where they aren't known."""
        if not candidate:
            return self.at_candidate, "on the baseline"
        old, new = self.arms(baseline, candidate)
        return f"on {new}", f"on {old}"

    def serves(self, alias: AliasState) -> str:
        """What it serves, in a sentence's second half."""
        return f"serves {'' if alias.extra_version else 'version '}{self.share(alias)}"

    def share(self, alias: AliasState) -> str:
        """The version that it serves; with their shares where there are two."""
        if alias.extra_version is None:
            return alias.version
        rest, extra = alias.percents
        return f"{rest} % version {alias.version} and {extra} % version {alias.extra_version}"

    def version(self, version: str) -> str:
        """One version with all of it."""
        return version

    def moved(self, alias: AliasState, version: str) -> str:
        """From what it served to one version."""
        return f"{self.serves(alias).removeprefix('serves ')} to version {version}"

    def is_done(self, key: str, version: str) -> str:
        """It serves the candidate already."""
        return f"{key} serves version {version} already"

    def started(self, share: str, count: int) -> str:
        """The first step."""
        return f"canary started: {share} %{self.started_on(count)}"

    def started_on(self, count: int) -> str:
        """What gets the first step, after its percentage."""
        return f" on {count} alias{'es' if count != 1 else ''}"

    def releases(self, names: str) -> str:
        """What a stage does."""
        return f"releases {names}"

    def beside(self, errors: str) -> str:
        """What simulated ones are compared with."""
        return f"beside a baseline with {errors} errors"

    def move(self, key: str, baseline: str, candidate: str) -> str:
        """What a canary does, in short."""
        return f"{key} {baseline} → {candidate}"

    def legend(self, arms: tuple[str, str]) -> tuple[str, str]:
        """Baseline and candidate beside the lines of a chart, where there is little room."""
        return arms

    def heading(self, arms: tuple[str, str]) -> str:
        """From what to what."""
        return f"{arms[0]} to {arms[1]}"

    def line(self, arms: tuple[str, str], percent: str) -> str:
        """From what to what, and how far it is."""
        return f"{arms[0]} → {arms[1]}, {percent}"

    def rest_back(self, stage: str) -> str:
        """What a person does after another writer's change."""
        return f"`canary rollback {stage}` rolls back the aliases that are unchanged"

    def clear(self, stage: str) -> str:
        """What a person does about weights without a canary."""
        return f"`canary rollback {stage}` to clear the weights"

    def by_hand(self, stage: str) -> str:
        """What a person does where no canary is known."""
        return f"Name the version: `canary rollback {stage} --to VERSION`."

    def kept(self, candidate: str, percent: str) -> str:
        """What a pause does."""
        return f"Keeps {candidate} at {percent}. Evaluation continues, and an unhealthy version is still rolled back."

    def given(self, candidate: str, count: int) -> str:
        """What a promotion does."""
        aliases = "1 alias" if count == 1 else f"{count} aliases"
        return f"Sends all traffic of {aliases} to {candidate} now, whatever the evidence."

    def undone(self, baseline: str) -> str:
        """What a rollback does."""
        return f"Sends all traffic to {baseline} now"

    def named(self, candidate: str) -> str:
        """What could be unhealthy."""
        return candidate

    def route(self, version: str, role: str, percent: str) -> str:
        """A version with its share."""
        return f"version {version}{f' ({role})' if role else ''} {percent}"

    def pair(self, baseline: str, candidate: str, percent: str) -> str:  # noqa: ARG002 - of a flag it is the percentage
        """From which version to which."""
        return f"{baseline} → {candidate}"

    def unwatched(self, span: str) -> str:
        """Nothing was measured after the promotion."""
        return f"no measured minute with traffic in {span} at 100 %"

    def headline(self, phase: Phase, share: str) -> str:
        """Where a canary stands, in a sentence."""
        return {
            Phase.STARTING: "Preflight passed; no traffic has been shifted yet.",
            Phase.BAKING: f"The new version serves {share} of the traffic and is being evaluated.",
            Phase.HOLDING: f"Holding at {share}: the evidence is not conclusive yet.",
            Phase.PAUSED: f"Paused at {share}. Evaluation continues; an unhealthy version is rolled back.",
            Phase.INCONCLUSIVE: f"Inconclusive at {share}: promote it or roll it back.",
            Phase.PROMOTING: "Shifting all traffic to the new version.",
            Phase.POST_BAKE: "The new version serves all traffic. The post-promotion watch is running.",
            Phase.ROLLING_BACK: "Rolling back: shifting all traffic to the baseline.",
            Phase.ABORTING: "Aborting: shifting all traffic to the baseline.",
            Phase.PROMOTED: "The new version serves all traffic.",
            Phase.ROLLED_BACK: "The baseline serves all traffic.",
            Phase.ABORTED: "Aborted. The baseline serves all traffic.",
            Phase.CONFLICT: "Another writer changed an alias. Canary stopped without writing.",
        }[phase]


class FlagWords(Words):
    """A flag: a share of the users has it."""

    run = "rollout"
    of_stage = "of stage"
    synthetic = "users"
    at_rest = "without it"
    as_good = "without harm"
    harmless = "of a flag without harm"
    already_unhealthy = "users fail without the flag already"
    ones = "rollouts"
    failing = "failing requests"
    both = "users with and without it"
    act = "roll out"
    unit = "users"
    weight = "percentage"
    rest = "without it"
    alone = "there are no other users to compare with"
    alike = "users without it exceed it, too"
    unsure = "there is too little evidence that only users with it do"
    old_rate = "the rate of users without it"
    verified_new = "the flag is verified at 100 %"
    verified_old = "the lowered percentage is verified"
    back = "percentage verified"
    gone = "the flag can't be rolled out any more"
    changed = "the flag was changed outside this canary"
    found_promoted = "found promoted: all users have the flag, and its record is gone"
    found_rolled_back = "found rolled back: its percentage is lowered, and its record is gone"
    found_unstarted = "its record is gone, and no user was exposed"
    refused = "the next step was refused"
    store = "the source of the flag"
    without_dead_man = (
        "Deploy `canary infra {stage}` where the flag is in AppConfig. Without it `canary resume {stage}` or "
        "`canary rollback {stage}` takes over, from any process."
    )
    nothing_new = "Lower its percentage first, or pass --allow-no-change."
    these_weights = "this percentage"
    now = "the percentage of the flag"
    of_what_is_live = "that led to its percentage"
    all_to_candidate = "Give the flag of {stage} to all users?"
    columns = ("flag", "variant", "compared with", "rolled out to", "percentage of users")
    subject = "flag"
    gate_columns = ("flag", "gate", "status", "with it", "interval", "without it", "limit", "odds")
    a_place = "the flag"
    places = "flag"
    share_heading = "Users"
    unexplained = "A percentage that no canary has set"
    reverts = "Lowers the flag of the stage to the percentage before its last canary."
    share_title = "Share of"

    def __init__(self, flag: str, source: str = "") -> None:
        self.flag, self.key = flag, flag.partition(":")[0]
        self._where = f" --source {source}" if source else ""
        self.candidate = flag
        self.taken = f"Lower it first: `flagkit rollout {self.key} 0{self._where}`. A rollout starts with nobody."
        self.at_candidate = f"with {flag}"
        self.against = f"against {flag}"
        self.counted_title = f"Users with {flag}"
        self.arms_title = f"Users with and without {flag}"

    def verb(self, call: str) -> str:
        """What a call does: AWS's actions on aliases are not called."""
        return call.replace("GetAlias", "read flag", 1).replace("UpdateAlias", "write flag", 1)

    def arms(self, baseline: str, candidate: str) -> tuple[str, str]:  # noqa: ARG002 - a flag has no versions
        """Users without the flag, and with it."""
        return "users without it", f"users with {self.flag}"

    def counted_at(self, baseline: str, candidate: str) -> tuple[str, str]:  # noqa: ARG002
        """Where candidate and baseline were counted."""
        return f"with {self.flag}", "without it"

    def serves(self, alias: AliasState) -> str:
        """Its percentage."""
        return f"is at {self.share(alias)}"

    def share(self, alias: AliasState) -> str:
        """Its percentage."""
        return self.version(alias.version) if alias.extra_version is None else f"{alias.percents[1]} %"

    def version(self, version: str) -> str:
        """Everybody has it, or nobody."""
        return "100 %" if version == EVERYBODY else "0 %"

    def moved(self, alias: AliasState, version: str) -> str:
        """From one percentage to another."""
        return f"{self.share(alias)} to {self.version(version)}"

    def is_done(self, key: str, version: str) -> str:  # noqa: ARG002
        """All users have it."""
        return f"all users have {self.flag} already"

    def started_on(self, count: int) -> str:  # noqa: ARG002
        """What gets the first step, after its percentage."""
        return " of the users"

    def releases(self, names: str) -> str:
        """What a stage does."""
        return f"rolls out flag {names}"

    def beside(self, errors: str) -> str:
        """What simulated ones are compared with."""
        return f"beside users without it, of whose requests {errors} fail"

    def move(self, key: str, baseline: str, candidate: str) -> str:  # noqa: ARG002
        """What a canary does, in short."""
        return self.flag

    def legend(self, arms: tuple[str, str]) -> tuple[str, str]:  # noqa: ARG002
        """Baseline and candidate beside the lines of a chart."""
        return "without it", "with it"

    def heading(self, arms: tuple[str, str]) -> str:
        """From what to what."""
        return f"{arms[1]}, compared with {arms[0]}"

    def line(self, arms: tuple[str, str], percent: str) -> str:  # noqa: ARG002
        """From what to what, and how far it is."""
        return f"{percent} of the users have it"

    def rest_back(self, stage: str) -> str:
        """What a person does after another writer's change."""
        return f"`canary rollback {stage}` ends the rollout at 0 %"

    def clear(self, stage: str) -> str:  # noqa: ARG002
        """What a person does about a percentage without a canary."""
        return f"`flagkit rollout {self.key} 0{self._where}`, then a rollout can start"

    def by_hand(self, stage: str) -> str:  # noqa: ARG002
        """What a person does where no canary is known."""
        return f"Set its percentage with `flagkit rollout {self.key} PERCENT{self._where}`."

    def kept(self, candidate: str, percent: str) -> str:  # noqa: ARG002
        """What a pause does."""
        return (
            f"Keeps {self.flag} at {percent} of the users. Evaluation continues, and a regression is still rolled back."
        )

    def given(self, candidate: str, count: int) -> str:  # noqa: ARG002
        """What a promotion does."""
        return f"Gives {self.flag} to all users now, whatever the evidence."

    def undone(self, baseline: str) -> str:  # noqa: ARG002
        """What a rollback does."""
        return f"Lowers {self.flag} to 0 % of the users now"

    def named(self, candidate: str) -> str:  # noqa: ARG002
        """What could be unhealthy."""
        return self.flag

    def route(self, version: str, role: str, percent: str) -> str:  # noqa: ARG002
        """Users with it, or without it."""
        return f"{percent} {'with' if version == EVERYBODY else 'without'} it"

    def pair(self, baseline: str, candidate: str, percent: str) -> str:  # noqa: ARG002
        """How many have it."""
        return f"{percent} of the users"

    def unwatched(self, span: str) -> str:
        """Nothing was measured after the promotion."""
        return f"no minute with users in {span} at 100 %"

    def headline(self, phase: Phase, share: str) -> str:
        """Where a rollout stands, in a sentence."""
        of_flag = {
            Phase.STARTING: "Preflight passed; no user has been exposed yet.",
            Phase.BAKING: f"{share} of the users have {self.flag} and are being evaluated.",
            Phase.PAUSED: f"Paused at {share}. Evaluation continues; a regression is rolled back.",
            Phase.PROMOTING: f"Giving {self.flag} to all users.",
            Phase.POST_BAKE: f"All users have {self.flag}. The post-promotion watch is running.",
            Phase.ROLLING_BACK: f"Rolling back: lowering {self.flag} to {share}.",
            Phase.ABORTING: f"Aborting: lowering {self.flag} to 0 %.",
            Phase.PROMOTED: f"All users have {self.flag}.",
            Phase.ROLLED_BACK: f"{self.flag} is back at {share}.",
            Phase.ABORTED: f"Aborted. {self.flag} is back at 0 %.",
            Phase.CONFLICT: "Another writer changed the flag. Canary stopped without writing.",
        }
        return of_flag.get(phase) or super().headline(phase, share)


_FUNCTIONS: Final = Words()


@lru_cache(maxsize=64)
def words_of(function: str, source: str = "") -> Words:
    """The words for a function's name or key ("api:live"), or for the name that stands for a flag of a source."""
    return FlagWords(shown(function), source) if function.startswith(FLAG) else _FUNCTIONS
