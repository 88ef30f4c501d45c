"""How times are written is guessed from their cells."""

import pytest

from recstack.data.inspection.times import guess_time


@pytest.mark.parametrize(
    ("cells", "format_"),
    [
        (["1600003600", "1600003700"], "seconds"),
        (["1600003600.25"], "seconds"),
        (["1.6e9"], "seconds"),
        (["1600003600", "0", "0", "-1"], "seconds"),  # 0 and -1 stand for "unknown"
        (["1600003600000"], "milliseconds"),
        (["1600003600000000"], "microseconds"),
        (["1600003600000000000"], "nanoseconds"),
        (["2024-03-01"], "iso"),
        (["2024-03-01 12:30:00"], "iso"),
        (["2009-05-04T23:08:57Z", "2009-05-04T23:08:57.123+02:00"], "iso"),
        (["20240301"], "yyyyMMdd"),
        (["2024/03/01 10:00:00"], "yyyy/MM/dd HH:mm:ss"),
        (["01.03.2024 10:15", "19.03.2024 17:40"], "dd.MM.yyyy HH:mm"),
        (["3/19/2024 9:05", "12/1/2024 17:40"], "M/d/yyyy H:mm"),
        (["11/13/2019 9:05:58 AM", "11/11/2019 12:00:01 PM"], "MM/dd/yyyy h:mm:ss a"),
        (["09 13, 2009"], "MM d, yyyy"),
        (["Sep 13, 2009"], "MMM d, yyyy"),
        (["Tue Sep 13 10:00:00 +0000 2009"], "EEE MMM dd HH:mm:ss Z yyyy"),
    ],
)
def test_format(cells: list[str], format_: str) -> None:
    guess = guess_time(cells)
    assert guess is not None and guess.format == format_ and guess.sure and guess.other is None


@pytest.mark.parametrize(
    ("cells", "first", "other"), [(["01/02/2024"], "MM/dd/yyyy", "dd/MM/yyyy"), (["1.2.24"], "d.M.yy", "M.d.yy")]
)
def test_days_that_could_be_months_name_both_ways(cells: list[str], first: str, other: str) -> None:
    guess = guess_time(cells)
    assert guess is not None and (guess.format, guess.other) == (first, other)


@pytest.mark.parametrize("cells", [["2850000000"], ["1998", "2004"]])
def test_far_years_and_bare_years_are_times_only_by_their_name(cells: list[str]) -> None:
    guess = guess_time(cells)
    assert guess is not None and not guess.sure


@pytest.mark.parametrize("cells", [["5", "3"], ["16:26:40"], ["soon"], ["151603712"], ["0-14-143958"], []])
def test_what_is_no_time(cells: list[str]) -> None:
    assert guess_time(cells) is None
