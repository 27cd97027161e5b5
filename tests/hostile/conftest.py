"""The deployments of the fault suite, for what is slow without being a fault."""

from tests.faults.conftest import deploy_on, deployment, events, first_release, second_release
from tests.streamer.training.test_trainer import config

__all__ = ["config", "deploy_on", "deployment", "events", "first_release", "second_release"]
