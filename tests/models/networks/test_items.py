import torch

from models.networks.items import ReleasedItems, TrainedItems
from models.plays.catalogue import FIRST_TRACK, PAD


def test_released_vectors_are_the_trained_ones_in_two_parts() -> None:
    torch.manual_seed(1)
    trained = TrainedItems(70_000, 3)  # more than are normalised at once
    rows = torch.tensor([[FIRST_TRACK, 69_999], [PAD, 65_540]])

    with torch.no_grad():
        released = ReleasedItems.of(trained.weight)

        assert torch.equal(released.units(), trained.units())
        torch.testing.assert_close(released(rows), trained(rows))
        torch.testing.assert_close(released.weight, trained.weight)
    assert released(torch.tensor(PAD)).tolist() == [0.0, 0.0, 0.0]
