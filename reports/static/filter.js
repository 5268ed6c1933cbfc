"use strict";
/* Search and filters of the list of steps. What is not listed is passed over by the keys too. */
(() => {
  const {steps, go, onkey, text} = unshared;
  const form = document.querySelector(".filters"),
    found = form.querySelector(".found");
  const list = document.getElementById("list"),
    toggle = document.querySelector(".toggle");
  const help = document.querySelector("dialog.help");
  const texts = new Map();

  /* All that a step says, in small letters; read when somebody searches for the first time. */
  function said(step) {
    if (!texts.has(step)) texts.set(step, text(step).toLowerCase());
    return texts.get(step);
  }

  function filter() {
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = ["verdicts", "claims", "windows"].filter((kind) => form.elements[kind].value);
    let count = 0;
    for (const step of steps) {
      const fits =
        kinds.every((kind) => step[kind].includes(form.elements[kind].value)) &&
        words.every((word) => said(step).includes(word));
      step.link.closest("li").hidden = !fits;
      count += fits;
    }
    for (const section of list.querySelectorAll("section")) section.hidden = !section.querySelector("li:not([hidden])");
    const {all, some} = found.dataset;
    found.textContent = count === steps.length ? all : some.replace("{shown}", count).replace("{all}", steps.length);
    form.classList.toggle("active", count !== steps.length || words.length > 0 || kinds.length > 0);
  }

  function clear() {
    form.reset();
    filter();
  }

  form.addEventListener("input", filter);
  form.addEventListener("change", filter);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const first = steps.find((step) => !step.link.closest("li").hidden);
    if (first) go(first.index);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    clear();
    steps[unshared.current]?.element.querySelector("h2").focus({preventScroll: true});
  });

  onkey("/", () => {
    toggle.setAttribute("aria-expanded", "true");
    form.elements.text.focus();
    form.elements.text.select();
  });
  onkey("Escape", clear);

  /* Up and down walk the list. */
  list.addEventListener("keydown", (event) => {
    const by = {ArrowDown: 1, ArrowUp: -1}[event.key];
    const links = [...list.querySelectorAll("li:not([hidden]) a")],
      at = links.indexOf(document.activeElement);
    const link = by && links[at + by];
    if (!by) return;
    event.preventDefault();
    if (!link) return;
    go(
      steps.findIndex((step) => step.link === link),
      undefined,
      {focus: false},
    );
    link.focus();
  });

  toggle.addEventListener("click", () => {
    toggle.setAttribute("aria-expanded", toggle.getAttribute("aria-expanded") === "false");
  });
  unshared.onstep((index) => {
    toggle.setAttribute("aria-expanded", "false");
    toggle.querySelector(".here").textContent = steps[index].link.querySelector(".name").textContent;
  });

  const open = () => {
    if (!help.open) help.showModal();
  };
  onkey("?", open);
  document.querySelector(".ask-help").addEventListener("click", open);
  help.addEventListener("submit", (event) => {
    event.preventDefault();
    help.close();
  });

  filter();
})();
