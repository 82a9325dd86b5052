# Terraform uploads code to $LATEST; canary publishes versions and moves the alias.
# Not set: publish = true, which would make a version of every apply.
terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "role_arn" {
  type        = string
  description = "Execution role of the function."
}

resource "aws_lambda_function" "api" {
  function_name    = "api"
  filename         = "api.zip"
  source_code_hash = filebase64sha256("api.zip")
  handler          = "app.handler"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  role             = var.role_arn
}

# The alias is created on version 1, which `aws lambda publish-version` has made once, and belongs to canary from then on.
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.api.function_name
  function_version = "1"

  lifecycle {
    ignore_changes = [function_version, routing_config, description]
  }
}
