"use strict";
(() => {
  const table = document.querySelector("table.claims");
  if (!table) return;
  const finder = document.querySelector(".finder");
  const [find, lab] = [document.getElementById("find"), document.getElementById("of-lab")];
  const chips = [...finder.querySelectorAll("button[value]")];
  const [shown, reset, none] = [".shown", ".reset", ".none"].map((name) => document.querySelector(name));
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows].map((row, order) => ({
    row,
    order,
    text: row.textContent.toLowerCase(),
    place: Number(row.dataset.place),
  }));
  const collator = new Intl.Collator("en", {numeric: true});
  const column = (name) => heads.findIndex((head) => head.dataset.sort === name);
  const cell = (one, name) => one.row.cells[column(name)].textContent.trim();
  const orders = {
    // the table comes sorted by verdict; labs stand in the order of the course
    verdict: (a, b) => a.order - b.order,
    lab: (a, b) => a.place - b.place,
  };
  const start = {q: "", lab: "", verdicts: [], sort: "verdict", down: false};
  let state = {...start};

  /* On a phone the rows are no longer laid out as a table: what they are is said by roles. */
  const roles = {
    "thead, tbody": "rowgroup",
    tr: "row",
    "thead th": "columnheader",
    "tbody th": "rowheader",
    td: "cell",
  };
  table.setAttribute("role", "table");
  for (const [selector, role] of Object.entries(roles)) {
    for (const part of table.querySelectorAll(selector)) part.setAttribute("role", role);
  }

  finder.hidden = false;
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      const down = state.sort === head.dataset.sort && !state.down;
      change({sort: head.dataset.sort, down});
    });
    head.replaceChildren(button);
  }

  /* The address holds what is searched, so that it can be sent to somebody: #/claims?q=mount&verdict=wrong&sort=-id */
  function read() {
    const [path, query] = location.hash.split("?");
    if (path !== "#/claims") return false;
    const given = new URLSearchParams(query);
    const sort = given.get("sort") ?? "verdict";
    state = {
      q: given.get("q") ?? "",
      lab: given.get("lab") ?? "",
      verdicts: (given.get("verdict") ?? "").split(",").filter((name) => chips.some((chip) => chip.value === name)),
      sort: column(sort.replace("-", "")) < 0 ? "verdict" : sort.replace("-", ""),
      down: sort.startsWith("-"),
    };
    return true;
  }

  function written() {
    const given = new URLSearchParams();
    if (state.q) given.set("q", state.q);
    if (state.lab) given.set("lab", state.lab);
    if (state.verdicts.length) given.set("verdict", state.verdicts.join(","));
    if (state.sort !== "verdict" || state.down) given.set("sort", (state.down ? "-" : "") + state.sort);
    return `#/claims${given.size ? `?${given.toString().replaceAll("%2C", ",")}` : ""}`;
  }

  function change(by) {
    state = {...state, ...by};
    history.replaceState(null, "", written());
    show();
  }

  function show() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const found = rows.filter((one) => {
      one.row.hidden = !(
        words.every((word) => one.text.includes(word)) &&
        (!state.lab || one.row.dataset.lab === state.lab) &&
        (!state.verdicts.length || state.verdicts.includes(one.row.dataset.verdict))
      );
      return !one.row.hidden;
    });
    const by =
      orders[state.sort] ?? ((a, b) => collator.compare(cell(a, state.sort), cell(b, state.sort)) || a.place - b.place);
    const sorted = [...rows].sort(by);
    if (state.down) sorted.reverse();
    table.tBodies[0].append(...sorted.map((one) => one.row));
    for (const head of heads) {
      if (head.dataset.sort === state.sort) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    find.value = state.q;
    lab.value = state.lab;
    for (const chip of chips) chip.setAttribute("aria-pressed", state.verdicts.includes(chip.value));
    shown.textContent = found.length;
    reset.hidden = found.length === rows.length;
    none.hidden = found.length > 0;
    table.hidden = found.length === 0;
  }

  find.addEventListener("input", () => change({q: find.value}));
  lab.addEventListener("change", () => change({lab: lab.value}));
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      const others = state.verdicts.filter((name) => name !== chip.value);
      change({verdicts: others.length < state.verdicts.length ? others : [...others, chip.value]});
    });
  }
  reset.addEventListener("click", () => {
    change({...start, sort: state.sort, down: state.down});
    find.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select"))
      return;
    event.preventDefault();
    find.focus();
    find.select();
  });

  function arrive() {
    if (!read()) return;
    show();
    document.getElementById("claims").scrollIntoView();
  }
  addEventListener("hashchange", arrive);
  arrive();
})();
