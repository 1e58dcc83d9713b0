"""Kinds that are called after what their cases expect."""

from ringfence.questions.conformance.named import NamedKinds


def test_kinds_are_any_mix_of_names_that_one_function_answers():
    first, second = (lambda _: {}), (lambda _: {})
    kinds = NamedKinds({first: ("a", "b_*"), second: ("a", "c")})
    assert kinds["a"] is kinds["a+b_weth"] is first
    assert kinds["a+c"] is second
    assert "b_x+c" not in kinds
    assert "d" not in kinds
    assert (len(kinds), sorted(kinds)) == (4, ["a", "a", "b_*", "c"])
