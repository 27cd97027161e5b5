"""Faust's assignor, which carries a worker's address to the others in the metadata of its group.

Faust has a place for such a URL. What this changes, pinned by a test on Kafka: a static member that comes back within
its session gets the assignment of its previous process, with that one's URL. Faust asserts that it is still its own,
and would end a worker that has another address, as a pod does after each restart.
"""

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from faust.assignor.client_assignment import ClientMetadata
from faust.assignor.partition_assignor import PartitionAssignor


class AddressedAssignor(PartitionAssignor):
    """Shares partitions out as Faust does; a member's own address may differ from the one it had when they were."""

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Take an assignment, whatever address it was made for."""
        metadata = ClientMetadata.loads(self._decompress(assignment.user_data))
        current = metadata.derive(url=str(self._url))
        super().on_assignment(
            ConsumerProtocolMemberAssignment(assignment.version, assignment.assignment, self._compress(current.dumps()))
        )
