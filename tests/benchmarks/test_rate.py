"""The table of rates."""

from benchmarks.rate import lines


def test_rates_are_those_of_median_times_and_ratios_those_to_the_base():
    taken = {"slow": [0.5, 1.0, 2.0], "lucas-kanade": [0.1, 0.1, 0.1]}
    slow, base = (line.split() for line in lines(taken))
    assert slow == ["slow", "1,000", "500-2,000", "0.100"]
    assert base == ["lucas-kanade", "10,000", "10,000-10,000", "1.000"]


def test_without_the_base_there_is_no_ratio():
    assert lines({"slow": [1.0]})[0].split()[-1] == "-"
