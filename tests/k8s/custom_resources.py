"""Objects of KEDA and of Prometheus Operator, held against the types of both."""

from importlib import import_module
from typing import Any, Final

#: Modules of the types, by API version: made from the definitions that a cluster validates with. Their import takes
#: seconds.
_TYPES: Final = {
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}


def is_custom(resource: dict[str, Any]) -> bool:
    """Say whether Kubernetes itself does not know an object."""
    return resource["apiVersion"] in _TYPES


def validate_custom(resource: dict[str, Any]) -> None:
    """Hold an object against its type.

    Raises:
        ValidationError: a field is unknown, missing or of another type.
    """
    module = import_module(_TYPES[resource["apiVersion"]])
    getattr(module, resource["kind"]).model_validate(resource, extra="forbid")
