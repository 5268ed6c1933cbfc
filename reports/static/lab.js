"use strict";
/* The steps of a lab page: one is shown at a time, its address is #/step/NUMBER/TAB, and keys lead through all.

   unshared.steps            [{index, element, link, start, end, claims, quiz, ...}] as story.py outlines them
   unshared.current, .tab    the index of the step that is shown, the name of the open tab
   unshared.go(index, tab)   show a step (and a tab; without it the open one stays)
   unshared.text(step)       all that a step says
   unshared.onstep(call)     call(index) whenever another step is shown
   unshared.ontab(tab, call) call(index, panel) once for each step, before its tab is shown for the first time
   unshared.onprint(call)    call() before the page is printed: everything must be on it
   unshared.onkey(key, call) call(event) when that key is pressed and nobody types */
(() => {
  const {data} = unshared;
  const TABS = ["state", "checks", "claims", "code", "predict"];
  const tabs = document.querySelector(".tabs");
  const layout = document.querySelector(".layout");
  const base = `#${document.body.dataset.base ?? ""}`; // "#/lab/NAME" where this is one of several pages in a file
  const callbacks = {step: [], print: [], tab: {}};
  const keys = new Map();
  const steps = data("steps").map((facts, index) => ({
    index,
    element: document.getElementById(`/step/${index + 1}`),
    link: document.querySelector(`.steps a[href="#/step/${index + 1}"]`),
    ...facts,
  }));

  Object.assign(unshared, {
    steps,
    current: -1,
    tab: TABS[0],
    go,
    text,
    rendered: new Set(),
    onstep: (call) => callbacks.step.push(call),
    ontab: (tab, call) => {
      callbacks.tab[tab] = [...(callbacks.tab[tab] ?? []), call];
    },
    onprint: (call) => callbacks.print.push(call),
    onkey: (key, call) => keys.set(key, call),
  });

  const panel = (index, tab) => document.getElementById(`/step/${index + 1}/${tab}`);

  /* ------------------------------------------------------------------ addresses */

  /* Where an address of this page leads: {index, tab, part}; null if it names nothing here. An address is the id of a
     step, of a tab or of something in a tab (a claim, a line of code), so it leads there without a script too. The
     outline tells which step that is; the step may still be folded. */
  function named(hash) {
    let id;
    if (hash.startsWith(base)) hash = `#${hash.slice(base.length)}`;
    try {
      id = decodeURIComponent(hash.slice(1));
    } catch {
      return null;
    }
    const step = id.startsWith("/claim/")
      ? steps.find(({owned}) => owned.includes(id.slice("/claim/".length)))
      : steps[id.match(/^\/step\/(\d+)(\/|$)/)?.[1] - 1];
    if (!step) return null;
    unfold(step);
    const element = document.getElementById(id),
      open = element?.closest(".panel");
    if (!element) return null;
    const part = element !== step.element && element !== open ? element : null;
    return {index: step.index, tab: open?.dataset.tab, part, hash};
  }

  /* ------------------------------------------------------------------ showing */

  /* What a step holds. A large page keeps it in a noscript, which is one text to a browser: it is parsed here. (In a
     file of several pages it is elements already: the script of that file has parsed the page.) */
  const folded = ({element}) => element.querySelector(":scope > noscript");
  function unfold(step) {
    const one = folded(step);
    if (!one) return;
    const content = one.firstElementChild ? one : new DOMParser().parseFromString(one.textContent, "text/html").body;
    one.replaceWith(...content.childNodes);
  }

  /* To parse all steps would take a second; in what the page was made of, < and > stand for nothing but tags. */
  const signs = {amp: "&", lt: "<", gt: ">", "#34": '"', "#39": "'"};
  function text(step) {
    const one = folded(step);
    if (!one || one.firstElementChild) return step.element.textContent;
    return one.textContent.replace(/<[^>]*>/g, "").replace(/&(amp|lt|gt|#34|#39);/g, (_, name) => signs[name]);
  }

  function go(
    index,
    tab = unshared.tab,
    {focus = true, write = true, scroll = true, hash = `#/step/${index + 1}/${tab}`} = {},
  ) {
    const step = steps[index];
    if (!step) return;
    const moved = index !== unshared.current;
    if (moved) leave();
    unshared.current = index;
    unshared.tab = tab;
    if (moved) enter(step, focus);
    choose(index, tab);
    const address = base + hash.slice(1);
    if (write && location.hash !== address) history[moved ? "pushState" : "replaceState"](null, "", address);
    if (!moved) return;
    for (const call of callbacks.step) call(index);
    if (scroll && getComputedStyle(document.body).position !== "fixed") step.element.scrollIntoView();
  }

  function leave() {
    const step = steps[unshared.current];
    if (!step) return;
    step.element.classList.remove("current");
    step.element.setAttribute("hidden", "until-found");
    step.link?.removeAttribute("aria-current");
  }

  function enter(step, focus) {
    unfold(step);
    step.element.classList.add("current");
    step.element.removeAttribute("hidden");
    step.element.querySelector(".side").prepend(tabs);
    for (const part of [layout, ...step.element.children]) part.scrollTop = 0;
    if (focus) step.element.querySelector("h2").focus({preventScroll: true});
    if (!step.link) return;
    step.link.setAttribute("aria-current", "step");
    step.link.scrollIntoView({block: "nearest"});
  }

  function choose(index, chosen) {
    for (const tab of TABS) {
      const button = document.getElementById(`tab-${tab}`),
        open = tab === chosen,
        count = steps[index].counts[tab];
      button.setAttribute("aria-selected", open);
      button.setAttribute("aria-controls", panel(index, tab).id);
      button.tabIndex = open ? 0 : -1;
      if (tab !== "code" && tab !== "predict") button.querySelector(".count").textContent = count || "";
      if (open) panel(index, tab).removeAttribute("hidden");
      else panel(index, tab).setAttribute("hidden", "until-found");
    }
    render(index, chosen);
  }

  /* Fill a tab that its script has not filled yet. */
  function render(index, tab) {
    if (unshared.rendered.has(`${index} ${tab}`)) return;
    unshared.rendered.add(`${index} ${tab}`);
    for (const call of callbacks.tab[tab] ?? []) call(index, panel(index, tab));
  }

  addEventListener("beforeprint", () => {
    steps.forEach(unfold);
    for (const {index} of steps) for (const tab of TABS) render(index, tab);
    for (const call of callbacks.print) call();
  });

  /* ------------------------------------------------------------------ moving */

  /* The steps that the filters leave, in order. */
  const shown = () => steps.filter((step) => !step.link?.closest("li").hidden);

  function move(by) {
    const left =
      by > 0
        ? shown().filter((step) => step.index > unshared.current)
        : shown()
            .filter((step) => step.index < unshared.current)
            .reverse();
    if (left[0]) go(left[0].index);
  }

  unshared.onkey("j", () => move(1));
  unshared.onkey("k", () => move(-1));
  unshared.onkey("ArrowRight", () => move(1));
  unshared.onkey("ArrowLeft", () => move(-1));
  unshared.onkey("Home", () => shown()[0] && go(shown()[0].index));
  unshared.onkey("End", () => shown().at(-1) && go(shown().at(-1).index));
  for (const [place, tab] of TABS.entries()) {
    unshared.onkey(String(place + 1), () => {
      go(unshared.current, tab);
      document.getElementById(`tab-${tab}`).focus();
    });
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest(
      "input:not([type=radio], [type=checkbox], [type=range]), select, textarea, dialog",
    );
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || typing) return;
    if (/^(Arrow|Home|End)/.test(event.key) && event.target.closest("pre, [role=slider], input, [role=tablist]"))
      return;
    if (event.key === " " && event.target.closest("button, summary, a, input")) return;
    const call = keys.get(event.key);
    if (!call) return;
    event.preventDefault();
    call(event);
  });

  tabs.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) go(unshared.current, tab.dataset.tab);
  });
  tabs.addEventListener("keydown", (event) => {
    const by = {ArrowRight: 1, ArrowLeft: -1, Home: -9, End: 9}[event.key];
    if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const place = TABS.indexOf(unshared.tab) + by;
    const tab = Math.abs(by) === 1 ? TABS.at(place % TABS.length) : TABS.at(by > 0 ? -1 : 0);
    go(unshared.current, tab);
    document.getElementById(`tab-${tab}`).focus();
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#/']");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      const place = named(link.hash);
      if (place) {
        event.preventDefault();
        follow(place);
      }
    }
  });

  function follow(place, options) {
    go(place.index, place.tab, {hash: place.part ? place.hash : undefined, ...options});
    if (!place.part) return;
    place.part.tabIndex = -1;
    place.part.focus({preventScroll: true});
    place.part.scrollIntoView({block: "nearest"});
  }

  addEventListener("popstate", () => {
    const place = named(location.hash);
    if (place) follow(place, {write: false});
  });

  /* Found by the browser's own search: what holds the text comes to the front. */
  document.addEventListener("beforematch", (event) => {
    const found = event.target.closest(".panel, .step"),
      step = found?.closest(".step");
    if (step)
      go(
        steps.findIndex((one) => one.element === step),
        found.dataset.tab,
        {focus: false},
      );
  });

  document.addEventListener("DOMContentLoaded", () => {
    history.scrollRestoration = "manual";
    for (const step of steps) step.element.setAttribute("hidden", "until-found");
    const place = named(location.hash);
    if (place) follow(place, {focus: false});
    else if (steps.length) go(0, TABS[0], {focus: false, write: false, scroll: false});
  });
})();
