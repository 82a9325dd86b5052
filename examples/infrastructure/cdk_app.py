"""A CDK app: it uploads code to $LATEST; canary publishes versions and moves the alias.

Not used: `function.current_version`, which makes a new version of the alias at each deployment, and
`LambdaDeploymentGroup`, which moves the alias as well. Needs `pip install aws-cdk-lib`.
"""

from aws_cdk import App, RemovalPolicy, Stack
from aws_cdk.aws_lambda import Architecture, CfnAlias, CfnVersion, Code, Function, Runtime

app = App()
stack = Stack(app, "shop")
api = Function(
    stack,
    "Api",
    function_name="api",
    code=Code.from_asset("src"),
    handler="app.handler",
    runtime=Runtime.PYTHON_3_13,
    architecture=Architecture.ARM_64,
)
# Version 1 and the alias on it are created once. Their properties never change, so no deployment touches them.
first = CfnVersion(stack, "ApiFirst", function_name=api.function_name)
first.apply_removal_policy(RemovalPolicy.RETAIN)
CfnAlias(stack, "ApiLive", function_name=api.function_name, function_version=first.attr_version, name="live")
app.synth()
