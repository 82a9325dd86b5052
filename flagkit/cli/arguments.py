"""Commands as functions: their arguments and options are read from the signature. It must not know any command.

    def rollout(key: Annotated[str, Argument(metavar="KEY", help="The flag.")], *, dry_run: Annotated[bool, Option()])

Click parses, completes and shows the help. Typer reads signatures, too, but validates every argument with pydantic,
which costs more than most commands (benchmarks/start.py).
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import click
from click.types import FloatParamType, IntParamType

from flagkit.admin.typed import read_number
from flagkit.cli.shell import HELP, Command, Group

__all__ = ["Argument", "Complete", "Context", "LazyGroup", "Option", "command_of", "read_number"]

_SETTINGS: Any = {"help_option_names": list(HELP)}

Context = click.Context
Complete = Callable[[click.Context, str], list[str]]
"""Completes a value: the call's context and what is typed so far."""


class Option:
    """An option of a command.

    Attributes:
        names: `--long` and `-s`; the parameter's name where empty.
        help: what it does.
        metavar: what stands for the value in the help.
        min: the smallest number.
        max: the largest number.
    """

    def __init__(
        self,
        *names: str,
        help: str = "",  # noqa: A002 - as click and argparse call them
        metavar: str | None = None,
        min: int | None = None,  # noqa: A002
        max: int | None = None,  # noqa: A002
    ) -> None:
        self.names, self.help, self.metavar, self.min, self.max = names, help, metavar, min, max


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument of a command.

    Attributes:
        metavar: what stands for the value in the help.
        help: what it is.
        complete: completes the value in a shell.
    """

    metavar: str
    help: str = ""
    complete: Complete | None = None


class LazyGroup(click.Group):
    """Commands that are imported when they are called, completed or asked for help.

    Attributes:
        known: the commands by name.
        running: the call of the command that ran last, if any.
    """

    running: click.Context | None = None

    def __init__(self, name: str, known: Mapping[str, Command], alone: Callable[..., int | None] | None = None) -> None:
        super().__init__(name, invoke_without_command=alone is not None, context_settings=_SETTINGS)
        self.known = known
        if alone is not None:
            self.help, self.params = inspect.getdoc(alone), parameters_of(alone)
            self.callback = caller_of(alone, only_alone=True)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands in their order."""
        return list(self.known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        return command_of(self.known[cmd_name]) if cmd_name in self.known else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a misspelt one names its nearest."""
        if args[0] not in self.known and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], self.known)
            ctx.fail(f"No such command {args[0]!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return super().resolve_command(ctx, args)


def command_of(command: Command) -> click.Command:
    """Return the command that click runs; its function returns the exit code."""
    found = command.load()
    if isinstance(found, Group):
        return LazyGroup(command.name, {it.name: it for it in found.commands}, found.alone)
    return _Described(
        command.name,
        params=parameters_of(found),
        callback=caller_of(found),
        help=inspect.getdoc(found),
        context_settings=_SETTINGS,
    )


def parameters_of(function: Callable[..., int | None]) -> list[click.Parameter]:
    """Return the parameters of a command, read from the function's signature."""
    signature = inspect.signature(function, eval_str=True)
    return [_parameter(it) for it in signature.parameters.values() if it.annotation is not click.Context]


def caller_of(function: Callable[..., int | None], *, only_alone: bool = False) -> Callable[..., int | None]:
    """Return what click calls: the function, with lists as lists and the context where it is asked for.

    Args:
        function: the command.
        only_alone: call nothing where a command below was given.
    """
    signature = inspect.signature(function, eval_str=True)
    contexts = [it.name for it in signature.parameters.values() if it.annotation is click.Context]

    def call(**given: object) -> int | None:
        context = click.get_current_context()
        if only_alone and context.invoked_subcommand is not None:
            _refuse_options(context)
            return None
        root = context.find_root().command
        if isinstance(root, LazyGroup):
            root.running = context
        values = {name: _value(value) for name, value in given.items()}
        return function(**values, **dict.fromkeys(contexts, context))

    return call


def _refuse_options(context: click.Context) -> None:
    """Refuse options of a group before a command below it: they would be lost, `--source` among them."""
    below = context.invoked_subcommand
    for parameter in context.command.params:
        if parameter.name and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE:
            context.fail(
                f"Write {parameter.opts[0]} after {below}: {context.command_path} {below} {parameter.opts[0]}."
            )


class _Described(click.Command):
    """A command whose help describes its arguments, too."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments before the options."""
        described = [it for it in self.params if isinstance(it, _Argument) and it.text]
        if described:
            with formatter.section("Arguments"):
                formatter.write_dl([(it.make_metavar(ctx), it.text) for it in described])
        super().format_options(ctx, formatter)


class _Argument(click.Argument):
    """An argument with a description."""

    text = ""


class _Integer(IntParamType):
    """A whole number in the digits 0 to 9."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it as it is typed."""
        return super().convert(_typed(value, param, ctx), param, ctx)


class _Range(click.IntRange):
    """A whole number in the digits 0 to 9 between two others."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it as it is typed."""
        return super().convert(_typed(value, param, ctx), param, ctx)


class _Float(FloatParamType):
    """A finite number in the digits 0 to 9."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it as it is typed."""
        return super().convert(_typed(value, param, ctx), param, ctx)


def _typed(value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
    if isinstance(value, str):
        try:
            read_number(value)
        except ValueError as error:
            raise click.BadParameter(f"{error}.", ctx, param) from None
    return value


class _Choice(click.Choice[str]):
    """One of some words; the empty one, which removes a text, isn't listed in an error."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return what is wrong about a word."""
        words = ", ".join(choice for choice in self.choices if choice)
        return f"{value!r} is not one of {words}{', or empty to remove it' if '' in self.choices else ''}."


def _value(value: object) -> object:
    return (list(value) or None) if isinstance(value, tuple) else value


def _parameter(parameter: inspect.Parameter) -> click.Parameter:
    kind, spec = get_args(parameter.annotation)
    kind, many = _single(kind)
    required = parameter.default is parameter.empty
    # A required parameter has no default at all: click takes None for one.
    default: dict[str, Any] = {} if required or many else {"default": parameter.default}
    if isinstance(spec, Argument):
        argument = _Argument(
            [parameter.name],
            type=_type(kind),
            required=required,
            nargs=-1 if many else 1,
            metavar=spec.metavar,
            shell_complete=_completer(spec.complete),
            **default,
        )
        argument.text = spec.help
        return argument
    names = spec.names or (f"--{parameter.name.replace('_', '-')}",)
    is_flag = kind is bool
    return click.Option(
        [parameter.name, *names],
        type=None if is_flag else _type(kind, spec),
        is_flag=is_flag,
        multiple=many,
        required=required,
        show_default=not (many or required) and parameter.default not in (None, False, ""),
        metavar=spec.metavar,
        help=spec.help,
        **default,
    )


def _single(kind: Any) -> tuple[Any, bool]:
    """The type of one value, and whether there may be many: `list[str] | None` is many of `str`."""
    if get_origin(kind) in (UnionType, Union):
        (kind,) = [part for part in get_args(kind) if part is not type(None)]
    if get_origin(kind) is list:
        return get_args(kind)[0], True
    return kind, False


def _type(kind: Any, spec: Option | None = None) -> click.ParamType[Any] | None:
    if get_origin(kind) is Literal:
        return _Choice(get_args(kind))
    if kind is int and spec is not None and (spec.min, spec.max) != (None, None):
        return _Range(spec.min, spec.max)
    if kind is Path:
        return click.Path(path_type=Path)
    known: dict[Any, click.ParamType[Any]] = {str: click.STRING, int: _Integer(), float: _Float()}
    return known[kind]


def _completer(complete: Complete | None) -> Callable[[click.Context, click.Parameter, str], list[str]] | None:
    return None if complete is None else lambda context, _, incomplete: complete(context, incomplete)
