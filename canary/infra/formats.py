"""The template in other tools' forms: a Terraform module around the stack, a SAM snippet of functions. Data only."""

from __future__ import annotations

import re
from typing import Any, Final

from canary.core import resources
from canary.core.plan import StagePlan
from canary.errors import PlanError
from canary.infra.alarms import logical_id
from canary.infra.template import Template

FORMATS: Final = ("cloudformation", "terraform", "sam")


def terraform(made: Template, stage: StagePlan, template_file: str) -> dict[str, Any]:
    """A module in Terraform's JSON configuration: it uploads package and template, and keeps the stack.

    The stack is one resource, so that Terraform and CloudFormation can't come to differ.

    Args:
        made: the template; its parameters become the module's variables.
        stage: the stage.
        template_file: where the template is, relative to the module.
    """
    own = ("CodeBucket", "CodeKey")
    variables: dict[str, Any] = {
        "bucket": {"type": "string", "description": "S3 bucket for the package and the template."},
        "package": {"type": "string", "description": "Path of the package of `canary package`."},
    }
    names = {key: _variable(key) for key in made["Parameters"] if key not in own}
    for key, name in names.items():
        said = made["Parameters"][key]
        more = {"default": said["Default"]} if "Default" in said else {"sensitive": True} if said.get("NoEcho") else {}
        variables[name] = {"type": "string", "description": said["Description"], **more}
        if values := said.get("AllowedValues"):
            listed = ", ".join(f'"{value}"' for value in values)
            variables[name]["validation"] = {
                "condition": f"${{contains([{listed}], var.{name})}}",
                "error_message": f"Use one of: {', '.join(values)}.",
            }
    prefix = resources.state_machine(stage.name)
    path = f"${{path.module}}/{template_file}"
    return {
        "terraform": {"required_version": ">= 1.3", "required_providers": {"aws": {"source": "hashicorp/aws"}}},
        "variable": variables,
        "data": {"aws_s3_bucket": {"code": {"bucket": "${var.bucket}"}}},
        "resource": {
            "aws_s3_object": {
                "package": {
                    "bucket": "${var.bucket}",
                    "key": f"{prefix}/tick-${{substr(filesha256(var.package), 0, 16)}}.zip",
                    "source": "${var.package}",
                },
                "template": {
                    "bucket": "${var.bucket}",
                    "key": f'{prefix}/template-${{substr(filesha256("{path}"), 0, 16)}}.json',
                    "source": path,
                },
            },
            "aws_cloudformation_stack": {
                "canary": {
                    "name": prefix,
                    "capabilities": ["CAPABILITY_NAMED_IAM"],
                    "template_url": (
                        "https://${data.aws_s3_bucket.code.bucket_regional_domain_name}/${aws_s3_object.template.key}"
                    ),
                    "parameters": {
                        "CodeBucket": "${var.bucket}",
                        "CodeKey": "${aws_s3_object.package.key}",
                        **{key: f"${{var.{name}}}" for key, name in names.items()},
                    },
                }
            },
        },
        "output": {key: {"value": f'${{aws_cloudformation_stack.canary.outputs["{key}"]}}'} for key in made["Outputs"]},
    }


def sam(stage: StagePlan) -> dict[str, Any]:
    """A SAM template with the functions of a stage, whose aliases CloudFormation creates and never moves again.

    Version 1 is published when the stack is created. SAM's AutoPublishAlias would move the alias at each deployment,
    past the canary; a resource whose properties stay the same isn't touched.

    Raises:
        PlanError: the stage has a flag, and no functions.
    """
    if stage.flag is not None:
        hint = "Its engines are in the formats cloudformation and terraform."
        raise PlanError(f"stage {stage.name} rolls out a flag; it has no functions for a SAM template", hint=hint)
    found: dict[str, Any] = {}
    ids = _Ids()
    for function in stage.functions:
        key = ids.of(_plain(function.name), function.name)
        version = ids.of(f"{key}First", f"{function.name} 1")
        found |= {
            key: {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "FunctionName": function.name,
                    "CodeUri": f"{function.name}/",
                    "Handler": "app.handler",
                    "Runtime": "python3.13",
                },
            },
            version: {
                "Type": "AWS::Lambda::Version",
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": {"FunctionName": {"Ref": key}},
            },
            ids.of(f"{key}{_plain(function.alias)}", function.key): {
                "Type": "AWS::Lambda::Alias",
                "Properties": {
                    "FunctionName": {"Ref": key},
                    "FunctionVersion": {"Fn::GetAtt": [version, "Version"]},
                    "Name": function.alias,
                },
            },
        }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": f"Functions of stage {stage.name}; canary moves their aliases",
        "Resources": found,
    }


class _Ids:
    """Logical ids: as a person would write them, unless another resource has that one."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, plain: str, resource: str) -> str:
        """The id of a resource; the same for the same one."""
        if resource not in self._known:
            is_free = plain and plain not in self._known.values()
            self._known[resource] = plain if is_free else logical_id(plain, resource)
        return self._known[resource]


def _variable(parameter: str) -> str:
    """`GitHubRepository` as `github_repository`."""
    plain = parameter.replace("GitHub", "Github").replace("GitLab", "Gitlab")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", plain).lower()


def _plain(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name))
