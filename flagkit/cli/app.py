"""The commands of flagkit by what people want to do, and how flagkit's errors are shown. It runs nothing."""

from __future__ import annotations

from flagkit.cli.shell import Command, Program, Report

_SUMMARY = """\
Feature flags on AWS AppConfig or in a file: switch, roll out, target, inspect, undo.
The flags are read from --source, else $FLAGKIT_SOURCE, else flags.json in this directory."""

_SECTIONS = {
    "Inspect flags": (
        Command(
            "list", "flagkit.cli.inspect:list_flags", "List flags with their state, audience, owner and last change."
        ),
        Command("show", "flagkit.cli.inspect:show", "Show one flag."),
        Command("explain", "flagkit.cli.inspect:explain", "Explain the answer of a flag for one user, or count many."),
        Command("what-if", "flagkit.cli.inspect:what_if", "List the users whose answer differs between two versions."),
    ),
    "Change flags": (
        Command("create", "flagkit.cli.lifecycle:create", "Create a flag, off unless --on is given."),
        Command("on", "flagkit.cli.edit:on", "Switch a flag on."),
        Command("off", "flagkit.cli.edit:off", "Switch a flag off."),
        Command("kill", "flagkit.cli.edit:kill", "Emergency stop: switch a flag off at once."),
        Command("rollout", "flagkit.cli.edit:rollout", "Roll a flag out to a percentage of users."),
        Command("target", "flagkit.cli.edit:target", "Give a flag to named users, groups or segments."),
        Command("split", "flagkit.cli.edit:split", "Split users between variants by percentage."),
        Command("rule", "flagkit.cli.rule:RULE", "List and edit the ordered rules of a flag."),
        Command("require", "flagkit.cli.rule:require", "Limit a flag to users for whom other flags are on."),
        Command("holdout", "flagkit.cli.rule:holdout", "Keep a percentage of the users out of a flag."),
        Command("ramp", "flagkit.cli.rule:ramp", "Let the percentage of a flag grow by itself."),
        Command("attr", "flagkit.cli.edit:attr", "Set attributes of a flag or of one variant."),
        Command("schedule", "flagkit.cli.edit:schedule", "Set when a flag starts and ends."),
        Command(
            "describe",
            "flagkit.cli.lifecycle:describe",
            "Set what is written about a flag: name, owner, tags and more.",
        ),
        Command("archive", "flagkit.cli.lifecycle:archive", "Archive a flag that is off."),
        Command("delete", "flagkit.cli.lifecycle:delete", "Delete a flag."),
        Command("segment", "flagkit.cli.edit:SEGMENT", "List and edit segments: named groups of users."),
    ),
    "History and undo": (
        Command("history", "flagkit.cli.history:history", "Show who changed what, when and why, newest first."),
        Command("revert", "flagkit.cli.history:revert", "Undo changes by saving a new version."),
        Command("proposals", "flagkit.cli.proposals:proposals", "Show the changes that wait for approval."),
        Command("diff", "flagkit.cli.code:diff", "Compare versions or sources, flag by flag."),
    ),
    "Deployments on AppConfig": (
        Command("status", "flagkit.cli.deploy:status", "Show which version is saved and which is live."),
        Command("deploy", "flagkit.cli.deploy:deploy", "Deploy the newest saved version."),
        Command("stop", "flagkit.cli.deploy:stop", "Stop the running deployment."),
        Command("rollback", "flagkit.cli.deploy:rollback", "Roll back the last deployment."),
    ),
    "Flags as code": (
        Command("pull", "flagkit.cli.code:pull", "Write the saved flags as TOML."),
        Command("plan", "flagkit.cli.code:plan", "Show what `apply` would change."),
        Command("apply", "flagkit.cli.code:apply", "Make the saved flags equal to a TOML file."),
        Command("copy", "flagkit.cli.promote:copy", "Copy flags from another environment."),
        Command("promote", "flagkit.cli.promote:promote", "Copy all flags from another environment."),
        Command("import", "flagkit.cli.code:import_flags", "Add the flags of a Powertools document."),
        Command("export", "flagkit.cli.code:export", "Write the saved flags for another program."),
    ),
    "Check and clean up": (
        Command("lint", "flagkit.cli.lint:lint", "Check a document against AWS's format and find likely mistakes."),
        Command("stale", "flagkit.cli.stale:stale", "Find flags that can be removed."),
    ),
    "Serve": (
        Command("console", "flagkit.cli.serve:console", "Serve the web console."),
        Command("ofrep", "flagkit.cli.remote:ofrep", "Serve flags to browsers and apps, in OpenFeature's OFREP."),
    ),
    "Set up": (
        Command("init", "flagkit.cli.setup:init", "Create the AppConfig resources that are missing."),
        Command("iam", "flagkit.cli.setup:iam", "Print the least-privilege IAM policy of a role."),
        Command("notify", "flagkit.cli.notify:NOTIFY", "Show who is notified of changes."),
        Command("codegen", "flagkit.cli.setup:codegen", "Generate a Python module with a typed accessor per flag."),
        Command("completion", "flagkit.cli.completion:completion", "Print the completion script for a shell."),
    ),
}


def program() -> Program:
    """Return the command line of flagkit."""
    hint = "`flagkit status` shows which version is saved and which is live."
    return Program("flagkit", _SUMMARY, _SECTIONS, hint, _known)


def _known(error: Exception) -> Report | None:
    from flagkit.cli.errors import report_of
    from flagkit.errors import FlagkitError

    return report_of(error) if isinstance(error, FlagkitError) else None
