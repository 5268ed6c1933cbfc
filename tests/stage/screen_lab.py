"""Screen: a lab for the tests of the full-terminal view.

Wide characters, colours, long output and questions of every kind.
"""

from runtime.lab import Choice, Lab, Number, Order, Text


def test_output(lab: Lab) -> None:
    """Output of every kind.

    Three windows print what terminals do not agree on.
    """
    first, second, third = lab.window("first"), lab.window("second"), lab.window("third")
    with lab.step(
        "Wide characters",
        "Chinese, emoji and accents. " * 30 + "The end of the text.",
        hint="Count the columns.",
        why="A terminal draws some characters two columns wide: see `wcwidth(3)`.",
        watch=[first],
        claims=["tiny-01"],
        ask=Choice("How wide is 中?", "one column", "two columns"),
    ) as step:
        second.run("printf '中文输出%.0s' 1 2 3 4 5 6 7 8 9 10; echo")
        third.run("printf 'e\\u0301 \\U1F469\\u200d\\U1F467 \\u2764\\ufe0f \\U1F44D\\U1F3FD \\U1F1E9\\U1F1EA ที่|\\n'")
        first.run("hostname screen; printf '\\033[31mred\\033[0m and \\033[1;44mblue\\033[0m\\n'")
        step.answer("two columns")
        assert first.run("hostname") == "screen"
    with lab.step("Long output", watch=[first], claims=["tiny-02"], ask=Number("How many lines?", "lines")) as step:
        first.run("seq -f 'line %g of very many' 1 200")
        step.answer(200)
        assert first.run("echo done") == "done"
    with lab.step("A word", ask=Text("Which word does echo print?")) as step:
        step.answer(first.run("echo 你好"))
    with lab.step("In order", ask=Order("What is typed first?", "echo one", "echo two", "echo three")) as step:
        first.run("echo one; echo two; echo three")
        step.answer(["echo one", "echo two", "echo three"])
