"""What a person may answer, what is right, and what is known of a lab before it runs."""

import pytest

from runtime.lab import Choice, Number, Order, Text
from runtime.lab.outline import read_outline
from runtime.lab.prediction import PredictionError, score
from runtime.stage.itinerary import Itinerary
from tests.conftest import ROOT
from tests.stage.conftest import WALK_LAB

LABS = sorted((ROOT / "labs").glob("test_*.py"))
WHICH = Choice("Which?", "yes", "no", "3")
SIZE = Number("How much?", "KiB")
ORDER = Order("What first?", "a b", "c")


@pytest.mark.parametrize(
    ("question", "typed", "value"),
    [
        (WHICH, "yes", "yes"),
        (WHICH, " NO ", "no"),
        (WHICH, "1", "yes"),
        (WHICH, "3", "3"),  # the text of a choice goes before its number
        (SIZE, "484", 484),
        (SIZE, "-1 KiB", -1),
        (SIZE, "0x1F", 31),
        (SIZE, "1_000", 1000),
        (SIZE, "2.5", 2.5),
        (Text("Who?"), "  two   words ", "two words"),
        (ORDER, "2 1", ["c", "a b"]),
        (ORDER, "c, A b", ["c", "a b"]),
        (ORDER, ["a b", "2"], ["a b", "c"]),
    ],
)
def test_answers_as_people_write_them(question, typed, value):
    assert question.parse(typed) == value


@pytest.mark.parametrize(
    ("question", "typed"),
    [
        (WHICH, "0"), (WHICH, "4"), (WHICH, ""), (WHICH, "y"), (SIZE, "nan"), (SIZE, "1 MiB"), (SIZE, "1,5"),
        (Text("Who?"), "  "), (ORDER, "1"), (ORDER, "1 1"), (ORDER, "1 2 3"), (ORDER, []),
    ],
)  # fmt: skip
def test_what_is_no_answer(question, typed):
    with pytest.raises(PredictionError):
        question.parse(typed)


def test_what_is_right():
    assert SIZE.judge(5, 5)
    assert not SIZE.judge(5.01, 5), "a whole number is met or not"
    assert SIZE.judge(99.5, 100.0), "what is measured may be off by 1 %"
    assert not SIZE.judge(98.0, 100.0)
    assert Text("Who?").judge("einval", "EINVAL")
    assert not ORDER.judge(["c", "a b"], ["a b", "c"])


def test_a_score_is_a_sentence():
    assert score({}, "Ada") == ""
    assert score({"a": True, "b": False, "c": None}, "Ada") == "Ada: 1 of 3 predictions right, 1 skipped."
    assert score({"a": True}, None) == "1 of 1 predictions right."


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_every_question_of_the_labs_is_known_before_the_run(path):
    for exercise in read_outline(path).exercises:
        for step in exercise.steps:
            assert not step.asks or step.question, f"{path.name}, line {step.first}: write the question as it is"
            assert step.points > 0


def test_commands_as_the_source_types_them():
    names = read_outline(WALK_LAB).exercise("test_names")
    assert [step.commands for step in names.steps] == [
        [("first", "unshare --uts --mount /bin/bash")],
        [("second", "hostname"), ("first", "hostname inside"), ("second", "hostname"), ("first", "hostname")],
        [("first", "hostname"), ("first", "hostname")],
    ]
    uts = read_outline(ROOT / "labs" / "test_01_uts.py").exercise("test_side_by_side")
    assert ("second", "nsenter --target {first.pid} --uts /bin/bash") in uts.steps[0].commands


def test_the_way_through_all_labs():
    exercises = [(path, exercise.name) for path in LABS for exercise in read_outline(path).exercises]
    way = Itinerary(exercises)
    assert len(way) == sum(len(exercise.steps) for path in LABS for exercise in read_outline(path).exercises)
    assert [stop.index for stop in way] == list(range(len(way)))
    stop = way.find("uts/test_rename_stays_inside/3")
    assert (stop.number, stop.step, stop.exercise_title) == (3, 3, "A new UTS namespace, and a witness outside.")
    headings = [entry.text for entry in way.entries(stop, set()) if entry.index is None]
    assert len(headings) == len(LABS) + len(exercises)


NAMES = Choice("Which name is printed?", "old", "new")


def test_exactly_one_condition_of_a_choice_holds():
    assert NAMES.the_one({"old": False, "new": True}) == "new"


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"old": False, "new": False}, "none of the answers is what happened; seen: 'third'"),
        ({"old": True, "new": True}, "'old' and 'new' are both what happened"),
    ],
)
def test_what_a_question_did_not_foresee_fails_the_step(conditions, words):
    with pytest.raises(AssertionError, match=words):
        NAMES.the_one(conditions, saw="third")


@pytest.mark.parametrize("conditions", [{"old": True}, {"old": True, "new": False, "none": False}])
def test_a_choice_wants_a_condition_for_each_text(conditions):
    with pytest.raises(PredictionError, match="give a condition for each of old, new"):
        NAMES.the_one(conditions)


def test_choices_are_shuffled_by_a_seed_and_by_nothing_else():
    question = Choice("Which?", *"abcdefgh")
    orders = {question.shuffled(seed).choices for seed in ("one", "two", "three")}
    assert question.shuffled("one") == question.shuffled("one")
    assert len(orders) == 3
    assert {"".join(sorted(order)) for order in orders} == {"abcdefgh"}
    assert question.parse("2") == "b"
    assert SIZE.shuffled("one") is SIZE
