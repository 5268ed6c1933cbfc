"use strict";
/* The questions of the steps, answered in the page: the answer of the kernel is shown when one's own is given. */
(() => {
  const {data, make, kept, keep, ontab, steps} = unshared;
  const words = data("predict-words");
  const place = `unshared.answers.${document.body.dataset.run}`;
  const mark = document.querySelector("#tab-predict .count");
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  const quizzes = new Map(steps.filter(({quiz}) => quiz).map(({index, quiz}) => [index, quiz]));
  const quizOf = (index) => steps[index].element.querySelector(".quiz");
  const answers = () => kept(place) ?? {};

  const plain = (text) => String(text).split(/\s+/).filter(Boolean).join(" ");
  /* A number as a person writes it, perhaps with its unit, with _ or in hexadecimal; null if it is none. */
  function number(text, unit) {
    const digits = text
      .trim()
      .slice(0, unit && text.trim().endsWith(unit) ? -unit.length : undefined)
      .trim()
      .replaceAll("_", "");
    const value = digits === "" ? NaN : Number(digits);
    return Number.isFinite(value) ? value : null;
  }

  /* As the runs judge: whole numbers exactly, measured ones within 1 %, texts whatever their capitals. */
  const judged = {
    choice: (given, observed) => given === observed,
    number: (given, observed) =>
      given === observed ||
      (!Number.isInteger(observed) &&
        Math.abs(given - observed) <= 0.01 * Math.max(Math.abs(given), Math.abs(observed))),
    text: (given, observed) => plain(given).toLowerCase() === plain(observed).toLowerCase(),
    order: (given, observed) => JSON.stringify(given) === JSON.stringify(observed),
  };

  /* For each kind: the field, and how its answer is read (null: there is none yet). */
  const fields = {
    choice(asked, name) {
      const radios = asked.choices.map((choice) => make("input", {type: "radio", name, value: choice, required: true}));
      const labels = radios.map((radio) => make("label", {}, radio, make("span", {}, radio.value)));
      return {parts: labels, read: () => radios.find((radio) => radio.checked)?.value ?? null};
    },
    number(asked, _name, label) {
      const input = make("input", {
        type: "text",
        inputmode: "decimal",
        required: true,
        autocomplete: "off",
        "aria-labelledby": label,
      });
      input.addEventListener("input", () =>
        input.setCustomValidity(number(input.value, asked.unit) === null ? words.number : ""),
      );
      return {parts: [input], read: () => number(input.value, asked.unit)};
    },
    text(_asked, _name, label) {
      const input = make("input", {
        type: "text",
        required: true,
        autocomplete: "off",
        spellcheck: "false",
        "aria-labelledby": label,
      });
      return {parts: [input], read: () => plain(input.value) || null};
    },
    order(asked) {
      const list = make("ol", {class: "items"}, ...asked.choices.map(item));
      function item(text) {
        const button = (sign, label, by) => {
          const one = make("button", {type: "button", "aria-label": fill(label, {item: text})}, sign);
          one.addEventListener("click", () => {
            shift(row, by);
            one.focus();
          });
          return one;
        };
        const row = make("li", {}, make("span", {}, text), button("↑", words.up, -1), button("↓", words.down, 1));
        return row;
      }
      function shift(row, by) {
        if (by < 0) row.previousElementSibling?.before(row);
        else row.nextElementSibling?.after(row);
      }
      return {
        parts: [make("p", {class: "note"}, words.order), list],
        read: () => [...list.children].map((row) => row.firstChild.textContent),
      };
    },
  };

  function show(index) {
    const asked = quizzes.get(index);
    if (!asked || !fields[asked.kind]) return;
    const quiz = quizOf(index),
      answer = answers()[asked.step],
      label = `question-${index}`;
    quiz.querySelector(".question").id = label;
    for (const mine of quiz.querySelectorAll(".mine")) mine.remove();
    quiz.classList.add("made");
    quiz.classList.toggle("answered", Boolean(answer));
    quiz.querySelector(".reveal").open = Boolean(answer);
    if (answer) {
      quiz.querySelector(".question").after(verdict(answer));
      quiz.append(after(index));
    } else quiz.append(form(index, asked, label));
    sign();
  }

  function form(index, asked, label) {
    const {parts, read} = fields[asked.kind](asked, `answer-${index}`, label);
    const skip = make("button", {type: "button"}, words.skip);
    const form = make(
      "form",
      {class: "mine"},
      make("fieldset", {"aria-labelledby": label}, ...parts),
      make("div", {class: "buttons"}, make("button", {class: "main"}, words.answer), skip),
    );
    skip.addEventListener("click", () => give(index, {skipped: true}));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = read();
      if (given !== null) give(index, {given, right: judged[asked.kind](given, asked.observed)});
    });
    return form;
  }

  const judgement = ({right, skipped}) => (skipped ? words.skipped : right ? words.right : words.wrong);

  /* What was answered, and how good it was. */
  function verdict({given, right, skipped}) {
    const {tone, sign, word} = judgement({right, skipped});
    const mine = skipped ? [] : [" ", words.yours, " ", make("b", {}, [given].flat().join(", "))];
    return make(
      "p",
      {class: "mine", role: "status", tabindex: "-1"},
      make("span", {class: `badge ${tone}`}, `${sign} ${word}`),
      ...mine,
    );
  }

  /* What can be done after an answer, and how the answers of this page stand. */
  function after(index) {
    const again = make("button", {type: "button"}, words.again);
    again.addEventListener("click", () => give(index, null));
    const all = answers(),
      here = [...quizzes.values()].map((one) => all[one.step]).filter((one) => one && !one.skipped);
    const tally = here.length
      ? `${fill(words.tally, {right: here.filter((one) => one.right).length, answered: here.length})}. `
      : "";
    return make(
      "div",
      {class: "mine"},
      make("div", {class: "buttons"}, again),
      make("p", {class: "note"}, tally, keep(place, all) ? words.kept : words.unkept),
    );
  }

  function give(index, answer) {
    const {[quizzes.get(index).step]: _, ...others} = answers();
    keep(place, answer ? {...others, [quizzes.get(index).step]: answer} : others);
    show(index);
    quizOf(index).querySelector(".mine:is([role=status]), .mine :is(input, button)").focus();
  }

  /* At the tab: ? a question waits, or the sign of how it was answered. */
  function sign() {
    const asked = quizzes.get(unshared.current),
      answer = asked && answers()[asked.step];
    mark.textContent = !asked ? "" : !answer ? "?" : judgement(answer).sign;
  }

  unshared.onstep(sign);
  ontab("predict", show);
})();
