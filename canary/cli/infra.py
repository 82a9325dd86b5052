"""Commands of what a stage has in AWS beside its functions: package and infra. They change nothing in AWS."""

# ruff: noqa: PLR0913, PLR0917 - each parameter is a word of the command line

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click

from canary.cli.options import DEFAULT_PLAN, AsJson, PlanPath, Profile, Region, Stage
from canary.cli.session import cli_context, read_plan
from canary.core import resources
from canary.errors import UsageError
from flagkit.cli.arguments import Context, Option


def package(
    context: Context,
    arch: Annotated[str, Option("--arch", metavar="ARCH", help="arm64 or x86_64.")] = "arm64",
    python: Annotated[str, Option("--python", metavar="VERSION", help="Python of the function's runtime.")] = "3.13",
    out: Annotated[Path | None, Option("--out", metavar="FILE", help="File to write.")] = None,
    wheels: Annotated[
        Path | None, Option("--wheels", metavar="DIR", help="Wheels of the dependencies, instead of the package index.")
    ] = None,
    plan: PlanPath = DEFAULT_PLAN,
    as_json: AsJson = False,
) -> int:
    """Build the package of the tick function, with the plan in it.

    Equal sources and versions give equal bytes, so a function is updated only if something has changed. Makes no AWS
    call; downloads the dependencies as wheels for the function's platform, in the versions that are installed here.
    """
    from canary.cli.json_lines import write_json
    from canary.infra.package import build

    found = cli_context(context)
    read_plan(found, plan)  # a plan that isn't valid is refused here
    text = (found.base / plan).read_text(encoding="utf-8")
    built = build(text, arch, python, wheels=wheels)
    path = out or Path(f"canary-tick-{arch}.zip")
    write_file(found.base / path, built.content)
    if as_json:
        write_json(
            {
                "file": str(path),
                "zipped_bytes": len(built.content),
                "unzipped_bytes": built.unzipped_bytes,
                "code_sha256": built.code_sha256,
                "key": built.key,
                "arch": arch,
                "runtime": f"python{python}",
                "distributions": list(built.distributions),
            }
        )
        return 0
    size, unzipped = len(built.content) / 1e6, built.unzipped_bytes / 1e6
    click.echo(f"{path} written: {size:.1f} MB, {unzipped:.1f} MB unzipped, for {arch} and Python {python}")
    click.echo(f"CodeSha256 {built.code_sha256}")
    click.echo(f"Next: aws s3 cp {path} s3://BUCKET/{built.key}")
    return 0


def infra(
    context: Context,
    stage: Stage,
    out: Annotated[Path | None, Option("--out", metavar="FILE", help="File to write, instead of printing.")] = None,
    form: Annotated[
        str, Option("--format", metavar="FORMAT", help="cloudformation, terraform (a module around it) or sam.")
    ] = "cloudformation",
    diff: Annotated[bool, Option("--diff", help="Compare with the deployed stack; exit with 1 if it differs.")] = False,
    stack: Annotated[str | None, Option("--stack", metavar="NAME", help="The stack, instead of canary-STAGE.")] = None,
    plan: PlanPath = DEFAULT_PLAN,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> int:
    """Print the CloudFormation template of a stage: what it has in AWS beside its functions.

    The engines' state machines and tick function, the dead-man role, the journal, topic, alarms and dashboard, and a
    policy for each kind of person and pipeline. Makes no AWS call without --diff, and changes nothing with it.
    """
    import json

    from canary.infra.formats import FORMATS, sam, terraform
    from canary.infra.template import template

    if form not in FORMATS:
        raise UsageError(f"{form!r} is not a format", hint=f"Use one of: {', '.join(FORMATS)}.")
    found = cli_context(context)
    whole = read_plan(found, plan)
    made = template(whole, stage)
    if diff:
        if out is not None:
            raise UsageError("--out and --diff exclude each other", hint="Leave one of them out.")
        where = region or whole.stage(stage).region
        return _diff(stack or resources.state_machine(stage), made, where, profile, as_json=as_json)
    if form == "terraform":
        made = terraform(made, whole.stage(stage), f"{resources.state_machine(stage)}.json")
    elif form == "sam":
        made = sam(whole.stage(stage))
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    if out is None:
        click.echo(text, nl=False)
        return 0
    write_file(found.base / out, text.encode())
    click.echo(f"{out} written: {len(text):,} characters")
    return 0


def _diff(stack: str, made: object, region: str | None, profile: str | None, *, as_json: bool) -> int:
    from canary.adapters.aws import open_session
    from canary.cli.json_lines import write_json
    from canary.infra.drift import differences, read_stack

    deployed = read_stack(open_session(region, profile), stack)
    found = list(differences(deployed.template, made))
    if as_json:
        listed = [{"path": one.path, "deployed": one.deployed, "planned": one.planned} for one in found]
        write_json({"stack": stack, "status": deployed.status, "differences": listed})
        return 1 if found else 0
    count = "no difference" if not found else f"{len(found)} difference{'s' if len(found) > 1 else ''}"
    click.echo(f"{stack} ({deployed.status}): {count} from the template of the plan")
    for one in found:
        if one.deployed is None:
            click.echo(f"  + {one.path}")
        elif one.planned is None:
            click.echo(f"  - {one.path}")
        else:
            click.echo(f"  ~ {one.path}: {_short(one.deployed)} → {_short(one.planned)}")
    return 1 if found else 0


def _short(value: object) -> str:
    import json

    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def write_file(path: Path, content: bytes) -> None:
    """Writes what a command has made.

    Raises:
        UsageError: the file can't be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}", hint="Name another file with --out.") from None
