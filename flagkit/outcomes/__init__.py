"""Outcomes of users of a rollout or an experiment, one each. The rules are in `flagkit.core.outcomes`."""
