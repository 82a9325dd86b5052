"""The commands that set up: init, iam, codegen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from flagkit.cli import options
from flagkit.cli.arguments import Context, Option
from flagkit.cli.context import CliContext, cli_context, fetch, source_url, write_artifact
from flagkit.cli.output import echo, print_json
from flagkit.errors import SourceNotFoundError, UsageError

if TYPE_CHECKING:
    from flagkit.admin.iam import Resources
    from flagkit.admin.settings import SourceSettings

Role = Literal["reader", "toggler", "admin"]
Output = Annotated[Path | None, Option("--output", "-o", metavar="FILE", help="The file. Default: stdout.")]


def codegen(
    context: Context,
    source: options.Source = None,
    output: Output = None,
    name: Annotated[str, Option("--name", metavar="NAME", help="Name of the module, if there is no FILE.")] = ("flags"),
    as_json: options.AsJson = False,
) -> int:
    """Generate a Python module with a typed accessor per flag.

    Example: flagkit codegen -o shop/flags.py
    """
    from flagkit.codegen import generate
    from flagkit.core.documents import FlagDocument

    module = name if output is None else output.stem
    if not module.isidentifier():
        raise UsageError(
            f"{module!r} is not a valid module name", hint="Name the file like a Python module, e.g. my_flags.py."
        )
    text = generate(FlagDocument.parse(fetch(cli_context(context), source).content), module_name=module)
    write_artifact(output, text, "python", as_json=as_json)
    return 0


def init(
    context: Context,
    source: options.Source = None,
    feature_flags: Annotated[
        bool,
        Option(
            "--feature-flags", help="Create a profile of the type AWS.AppConfig.FeatureFlags instead of AWS.Freeform."
        ),
    ] = False,
    bake_minutes: Annotated[
        int, Option("--bake-minutes", metavar="N", min=1, max=1440, help="Bake time of guarded deployments in minutes.")
    ] = 10,
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> int:
    """Create the AppConfig resources that are missing.

    Application, environment, configuration profile and two deployment strategies; and where flagkit.toml asks for
    approvals, the profile that keeps proposals.

    Example: flagkit init --source appconfig://shop/staging/flags
    """
    from flagkit.admin.settings_file import name_of_source
    from flagkit.admin.setup import init as set_up

    cli = cli_context(context)
    url = source_url(source)
    cli.confirm(url, assume_yes=yes)
    report = set_up(
        url,
        profile_type="feature_flags" if feature_flags else "freeform",
        bake_minutes=bake_minutes,
        proposals=_settings(url).approvals_of([name_of_source(url)]) > 0,
        session=cli.session,
        clock=cli.clock,
    )
    if as_json:
        print_json({"created": report.created, "found": report.found})
        return 0
    for part in report.created:
        echo(f"Created: {part}")
    for part in report.found:
        echo(f"Exists: {part}")
    return 0


def iam(
    context: Context,
    role: Annotated[Role, Option("--role", metavar="ROLE", help="reader, toggler or admin.")],
    immediate: Annotated[
        bool, Option("--immediate", help="Also allow immediate deployments, as `flagkit kill` makes them.")
    ] = False,
    source: options.Source = None,
    as_json: options.AsJson = False,  # noqa: ARG001 - a policy is JSON; with it, an error is, too
) -> int:
    """Print the least-privilege IAM policy of a role.

    Example: flagkit iam --role toggler
    """
    from flagkit.admin.iam import policy

    print_json(policy(role, _resources(cli_context(context), source_url(source), immediate=immediate)))
    return 0


def _resources(cli: CliContext, url: str, *, immediate: bool) -> Resources:
    from flagkit.admin.iam import Resources
    from flagkit.admin.proposals.keeping import SUFFIX
    from flagkit.admin.settings_file import name_of_source
    from flagkit.admin.stores.control import Control
    from flagkit.admin.stores.deployments import GUARDED, IMMEDIATE, found_strategies
    from flagkit.sources.urls import parse

    address = parse(url)
    if address.scheme != "appconfig":
        raise UsageError(
            "a file needs no IAM permissions", hint="Use an AppConfig source such as appconfig://shop/staging/flags."
        )
    settings = _settings(url)
    application, environment, profile = address.names(3)
    region = address.options.get("region")
    control = Control(application, profile, environment, session=cli.session, region=region, clock=cli.clock)
    try:
        ids = control.environment() | control.profile()
        names = [name_of_source(url), f"appconfig://{'/'.join(control.known_names())}"]
        strategies = found_strategies(control)
        kept = ""
        if settings.approvals_of(names):
            listed = control.pages("ListConfigurationProfiles", **control.application())
            wanted_name = control.known_names()[2] + SUFFIX
            kept = next((item["Id"] for item in listed if item["Name"] == wanted_name), "")
            if not kept:
                raise SourceNotFoundError(
                    f"the profile {wanted_name}, which keeps proposals, does not exist",
                    hint="Run `flagkit init` first.",
                )
        _, partition, _, region, account, _ = control.arn("profile").split(":", 5)
    finally:
        control.close()
    wanted = [
        strategies[name] for name in (GUARDED.name, *([IMMEDIATE.name] if immediate else [])) if name in strategies
    ]
    return Resources(
        region,
        account,
        ids["ApplicationId"],
        ids["EnvironmentId"],
        ids["ConfigurationProfileId"],
        wanted,
        partition,
        [item.topic_arn for item in settings.of(names) if item.kind == "sns"],
        [item.bus for item in settings.of(names) if item.kind == "eventbridge"],
        settings.metrics_of(names) is not None,
        kept,
    )


def _settings(url: str) -> SourceSettings:
    from flagkit.admin.settings import SourceSettings, read_settings
    from flagkit.admin.settings_file import find_file

    path = find_file(url, os.environ, Path.cwd())
    return SourceSettings() if path is None else read_settings(path)
