"""Mango v4: the published health cases."""

from ringfence.questions.verify import run


def test_the_reference_folder(shared):
    report = run([shared / "vectors" / "mango_v4.json"])
    assert (report.failed, report.unsupported) == (0, 0)
    assert report.headline.passed >= 12
