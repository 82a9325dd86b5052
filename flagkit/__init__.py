"""Feature flags on AWS AppConfig, evaluated inside the process that asks."""
