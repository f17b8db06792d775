import pytest
import torch
from toy import toy_batch

from lol_lightning.networks._bags import sum_rows


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_and_gradient_are_those_of_the_dense_product(weighted):
    rows = toy_batch().features
    rows.indices[1] = rows.indices[0]
    if weighted:
        rows.values = torch.rand(len(rows.indices))
    weight = torch.randn(30, 4, dtype=torch.double, requires_grad=True)
    dense = weight.detach().clone().requires_grad_()
    out = sum_rows(weight, rows.indices, rows.offsets, None if rows.values is None else rows.values.double())
    expected = rows.to_dense(torch.double) @ dense
    torch.testing.assert_close(out, expected)
    upstream = torch.randn_like(out)
    (out * upstream).sum().backward()
    (expected * upstream).sum().backward()
    torch.testing.assert_close(weight.grad.to_dense(), dense.grad)


def test_gradient_holds_each_feature_once_in_order():
    weight = torch.ones(9, 2, requires_grad=True)
    sum_rows(weight, torch.tensor([7, 2, 7, 7]), torch.tensor([0, 3, 3, 4])).sum().backward()
    assert weight.grad._indices().tolist() == [[2, 7]]
    assert weight.grad._values()[:, 0].tolist() == [1.0, 3.0]


def test_empty_rows_have_an_empty_gradient():
    weight = torch.ones(9, 2, requires_grad=True)
    out = sum_rows(weight, torch.tensor([], dtype=torch.long), torch.zeros(4, dtype=torch.long))
    out.sum().backward()
    assert out.tolist() == [[0.0, 0.0]] * 3
    assert weight.grad._nnz() == 0
