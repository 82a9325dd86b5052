"""A stand-in for Lambda, CloudWatch and EventBridge Scheduler, on a virtual clock."""
