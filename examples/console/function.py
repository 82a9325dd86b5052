"""flagkit's console as a Lambda function, as a target of the load balancer that signs people in.

The handler is `function.handler`; `flagkit.toml` lies beside it in the package.
"""

from pathlib import Path

from flagkit.console import ConsoleSettings, configured, create_app, lambda_handler

SOURCES = ("appconfig://shop/staging/flags", "appconfig://shop/prod/flags-prod")

settings = configured(ConsoleSettings(SOURCES), path=Path(__file__).with_name("flagkit.toml"))
handler = lambda_handler(create_app(settings))
