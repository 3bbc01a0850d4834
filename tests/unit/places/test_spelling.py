"""One name is one form, in whatever case it is typed and declined."""

import doctest

import pytest

from kadrd.places import spelling

CASES = [
    "Киев Киева Киеву Киевом Києва Києву Києві Києвом",
    "Москва Москвы Москве Москву Москвой Москви Москві",
    "Уфа Уфы Уфе Уфу Уфой",
    "Суми Сумы Сумах Сумам Сумами",
    "Чернівці Чернівцях Чернівцями Чернівцям",
    "Запоріжжя Запоріжжі Запоріжжям Запоріжжю",
    "Осло",
    "Рівне Рівного Рівному",
    "Нижний-Новгород Нижнего-Новгорода Нижнем-Новгороде Нижним-Новгородом",
    "Біла-Церква Білої-Церкви Білій-Церкві Білу-Церкву",
    "Ростов-на-Дону Ростова-на-Дону Ростове-на-Дону",
]


@pytest.mark.parametrize("names", CASES)
def test_cases_of_one_name(names):
    """All cases of a name leave the same."""
    assert len({spelling.declined(spelling.key(name)) for name in names.split()}) == 1


@pytest.mark.parametrize(
    ("name", "other"), [("Харків", "Харкові"), ("Київ", "Києва"), ("Канів", "Каневі"), ("Миколаїв", "Миколаєвом")]
)  # fmt: skip
def test_a_vowel_that_changes(name, other):
    """A Ukrainian name is found in its other cases although a vowel changes in them."""
    assert spelling.declined(spelling.key(other)) in spelling.forms(spelling.key(name))


def test_one_slip():
    """A slip is one letter too few, too many or another, or two that changed places, and no more."""
    near = spelling.near("lviv")
    assert near >= {"lvi", "lvivv", "lvov", "vliv", "lv iv", "viv"}
    assert not near & {"lvovo", "lvo", "livvi"}


def test_examples():
    """The examples in the docstrings are true."""
    assert doctest.testmod(spelling).failed == 0
