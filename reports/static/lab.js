"use strict";
(() => {
  const steps = [...document.querySelectorAll(".step")];
  const links = new Map([...document.querySelectorAll(".steps a")].map((link) => [link.hash.slice(1), link]));
  const toggle = document.querySelector(".toggle");
  const all = document.querySelector(".all");
  const folds = JSON.parse(document.getElementById("folds").textContent);
  let current = null;

  document.documentElement.classList.add("scripted");
  document.querySelector(".keys").hidden = false;
  toggle.hidden = false;

  const named = () => steps.find((step) => "#" + step.id === decodeURIComponent(location.hash));
  const paged = () => document.body.classList.contains("paged");

  function hide() {
    for (const step of steps) {
      if (paged() && step !== current) step.setAttribute("hidden", "until-found");
      else step.removeAttribute("hidden");
    }
  }

  function show(step) {
    if (current) links.get(current.id)?.removeAttribute("aria-current");
    current = step;
    hide();
    const link = links.get(step.id);
    if (!link) return;
    link.setAttribute("aria-current", "step");
    const list = link.closest(".steps");
    const above = link.offsetTop - list.scrollTop, room = list.clientHeight;
    if (above < 40 || above > room - 80) list.scrollTop = link.offsetTop - room / 2;
    toggle.textContent = link.querySelector(".name").textContent;
    toggle.setAttribute("aria-expanded", "false");
  }

  /* Go to a step as its link does: the address names it, so that it survives a reload. */
  function go(step, focus = true) {
    if (!step) return;
    if (location.hash !== "#" + step.id) history.pushState(null, "", "#" + step.id);
    show(step);
    step.scrollIntoView({block: "start"});
    if (focus) step.querySelector("h2").focus({preventScroll: true});
  }

  const move = (by) => go(steps[Math.min(steps.length - 1, Math.max(0, steps.indexOf(current) + by))]);
  const keys = {j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1};

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea")) return;
    const inList = event.target.closest("#list");
    if (event.key.startsWith("Arrow") && event.target.closest("pre")) return;
    let by = keys[event.key];
    if (inList && event.key === "ArrowDown") by = 1;
    if (inList && event.key === "ArrowUp") by = -1;
    if (!by) return;
    event.preventDefault();
    if (inList) {
      const shown = [...links.values()];
      const next = shown[Math.min(shown.length - 1, Math.max(0, shown.indexOf(document.activeElement) + by))];
      go(steps.find((step) => step.id === next.hash.slice(1)), false);
      next.focus();
    } else move(by);
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#step-']");
    const step = link && steps.find((step) => "#" + step.id === link.hash);
    if (!step || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(step);
  });

  addEventListener("popstate", () => { const step = named() || steps[0]; if (step) { show(step); step.scrollIntoView(); } });
  for (const step of steps) step.addEventListener("beforematch", () => go(step, false));
  toggle.addEventListener("click", () => toggle.setAttribute("aria-expanded", toggle.getAttribute("aria-expanded") === "false"));

  all.addEventListener("click", () => {
    document.body.classList.toggle("paged");
    all.setAttribute("aria-pressed", !paged());
    hide();
    current?.scrollIntoView();
  });

  /* Values that did not change are kept once a page and put into the page when somebody unfolds them. */
  function unfold(details) {
    const body = document.createElement("table").appendChild(document.createElement("tbody"));
    for (const [first, length] of folds.folds[details.dataset.fold]) {
      for (const [path, field, value, before] of folds.rows.slice(first, first + length)) {
        const row = body.insertRow(), where = row.appendChild(document.createElement("th"));
        where.scope = "row";
        where.appendChild(document.createElement("code")).textContent = path;
        if (field) {
          const name = document.createElement("span");
          name.className = "field";
          name.textContent = field;
          where.append(" ", name);
        }
        const cell = row.insertCell();
        if (before === undefined) cell.textContent = value;
        else {
          cell.appendChild(document.createElement("del")).textContent = before;
          cell.append(" → ");
          cell.appendChild(document.createElement("ins")).textContent = value;
        }
      }
    }
    details.append(body.parentNode);
  }
  for (const details of document.querySelectorAll(".fold")) {
    details.addEventListener("toggle", () => { if (details.open && !details.querySelector("table")) unfold(details); });
  }

  document.body.classList.add("paged");
  const start = named();
  if (start) go(start, false);
  else if (steps.length) show(steps[0]);
})();
