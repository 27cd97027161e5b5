"""The deployments of the fault suite, for what is slow without being a fault."""

from tests.faults.conftest import deploy_on, deployment, events, first_release

__all__ = ["deploy_on", "deployment", "events", "first_release"]
