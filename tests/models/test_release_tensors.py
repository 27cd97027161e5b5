from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from models.release_tensors import adopt, encode_tensors, map_tensors, require_finite

TENSORS = {
    "bytes": torch.arange(7, dtype=torch.uint8),
    "half": torch.tensor([0.5, -2.0], dtype=torch.float16),
    "keys": torch.tensor([2**63 - 1, -1]),
    "rows": torch.arange(6, dtype=torch.int32).reshape(2, 3),
    "none": torch.empty(0, 4),
    "one": torch.tensor(3.5),
}


def write(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    path.write_bytes(b"".join(encode_tensors(tensors)))
    return path


def test_tensors_are_written_as_safetensors_reads_them_and_come_back_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "file", TENSORS)

    mapped = map_tensors(path)

    for tensors in (load(path.read_bytes()), mapped):
        assert tensors.keys() == TENSORS.keys()
        assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
    assert str(path) in Path("/proc/self/maps").read_text()


def test_what_is_mapped_stays_when_the_file_loses_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "file", TENSORS)
    mapped = map_tensors(path)

    path.unlink()

    assert torch.equal(mapped["rows"], TENSORS["rows"])


def test_a_file_that_its_header_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "file", TENSORS)
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(SafetensorError):
        map_tensors(path)


def test_a_module_adopts_only_weights_of_its_own_shapes_and_dtypes() -> None:
    weights, module = {"weight": torch.ones(2, 3), "bias": torch.ones(2)}, nn.Linear(3, 2, device="meta")

    adopt(module, weights)

    assert module.weight.data_ptr() == weights["weight"].data_ptr()
    with pytest.raises(TypeError, match=r"bias is torch\.int32 instead of torch\.float32"):
        adopt(module, weights | {"bias": torch.ones(2, dtype=torch.int32)})
    with pytest.raises(RuntimeError, match="size mismatch"):
        adopt(module, weights | {"bias": torch.ones(3)})


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_one_weight_that_is_not_finite_is_found(number: float) -> None:
    module = nn.Linear(3, 2)
    require_finite(module)

    with torch.no_grad():
        module.weight[1, 1] = number

    with pytest.raises(ValueError, match="weight is not finite"):
        require_finite(module)
