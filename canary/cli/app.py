"""The commands of canary by what people want to do, and how canary's errors are shown. It runs nothing."""

from __future__ import annotations

from flagkit.cli.shell import Command, Program, Report

_SUMMARY = """\
Release AWS Lambda versions, or roll out feature flags, step by step: each step is evaluated statistically, and a
regression is rolled back automatically. Stages and their rules are in canary.toml."""

_SECTIONS = {
    "Release": (
        Command("plan", "canary.cli.inspect:plan", "Print the plan of a stage with every default."),
        Command("doctor", "canary.cli.inspect:doctor", "Check everything a release depends on, without releasing."),
        Command("deploy", "canary.cli.release:deploy", "Release a version step by step and evaluate each step."),
        Command("status", "canary.cli.inspect:status", "Show the canary in progress and its evidence."),
        Command("verify", "canary.cli.inspect:verify", "Check the health of the live versions."),
        Command("console", "canary.cli.console:console", "Serve the web console: flags and releases in a browser."),
        Command("analyze", "canary.cli.analyze:analyze", "Read a rollout or an experiment."),
        Command("history", "canary.cli.inspect:history", "List past canaries, or show one in full."),
    ),
    "Intervene": (
        Command("pause", "canary.cli.release:pause", "Hold the weight; evaluation and rollback continue."),
        Command("resume", "canary.cli.release:resume", "Continue after a pause or an inconclusive end."),
        Command("promote", "canary.cli.release:promote", "Send all traffic to the new version now."),
        Command("rollback", "canary.cli.release:rollback", "Send all traffic to the baseline version now."),
        Command("abort", "canary.cli.release:abort", "Roll back and end the canary as aborted."),
        Command("orphans", "canary.cli.orphans:orphans", "Find canaries that nobody drives, and end them."),
    ),
    "Try without AWS": (
        Command("simulate", "canary.cli.simulate:simulate", "Simulate a release many times with synthetic traffic."),
        Command("replay", "canary.cli.simulate:replay", "Evaluate a recorded canary again with the current plan."),
        Command("demo", "canary.cli.demo:demo", "Show a good, a bad and a slow release on a local stand-in."),
        Command(
            "drill",
            "canary.cli.drill:drill",
            "Release a known-bad version on a local stand-in and measure the rollback.",
        ),
    ),
    "Set up": (
        Command(
            "sandbox",
            "canary.cli.sandbox:SANDBOX",
            "Start a local AWS with functions, flags, alarms and synthetic traffic.",
        ),
        Command("init", "canary.cli.setup:init", "Write a commented plan for functions or a flag."),
        Command("schema", "canary.cli.setup:schema", "Print the JSON Schema of canary.toml, for editors."),
        Command("iam", "canary.cli.setup:iam", "Print the IAM policy that a stage needs."),
        Command("infra", "canary.cli.infra:infra", "Print the CloudFormation template of a stage."),
        Command("package", "canary.cli.infra:package", "Build the package of the tick function."),
        Command("completion", "flagkit.cli.completion:completion", "Print the completion script for a shell."),
    ),
}


def program() -> Program:
    """Return the command line of canary."""
    return Program("canary", _SUMMARY, _SECTIONS, "`canary status STAGE` shows what is live.", _known, _annotate)


def _known(error: Exception) -> Report | None:
    from canary.errors import CanaryError

    if not isinstance(error, CanaryError):
        return None
    first, *further = (line.strip() for line in error.message.strip().splitlines())
    if len(further) == 1:
        first, further = f"{first}: {further[0]}", []
    return Report(error.code, first, error.hint, error.exit_code, tuple(further))


def _annotate(report: Report) -> None:
    from canary.cli.output import annotate

    annotate("error", f"canary: {report.code}", "\n".join([report.message, *report.details, report.hint]).rstrip())
