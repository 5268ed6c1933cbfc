"use strict";
/* Replay of the windows of a step, all on one clock, and the timeline of all steps.

   A moment is [milliseconds, window, typed, first line, lines ...]: from the first line on the window shows these lines,
   of which so many were typed; without lines it ends there. A line is its text, or [text, class names, text, class names ...]. At rest a
   step shows its end as the page holds it; what is played stands beside that and is taken away again. */
(() => {
  const {data, make, keep, kept, steps} = unshared;
  const words = data("words"),
    replays = data("replays");
  const LONGEST = 2000,
    PACE = 250,
    TYPED = 800; /* milliseconds: a wait as recorded at most, a moment, a typed line */
  const controls = document.getElementById("controls").content.firstElementChild;
  const [play, slider, at, speed] = controls.children;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let replay = null,
    timer = 0,
    position = 0,
    count = 0,
    screens = [];

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const text = (line) => (typeof line === "string" ? line : line.filter((_, place) => place % 2 === 0).join(""));

  /* ------------------------------------------------------------------ the windows */

  /* The screens of a step's windows: what they hold in the replay, and where it stands. */
  function screensOf(index) {
    return [...steps[index].element.querySelectorAll(".window pre")].map((pre) => ({pre, lines: [], live: null}));
  }

  function spell(line, typed) {
    const element = make(typed ? "b" : "span", {class: "line"});
    if (typeof line === "string") element.append(line);
    else
      for (let place = 0; place < line.length; place += 2) {
        element.append(line[place + 1] ? make("span", {class: line[place + 1]}, line[place]) : line[place]);
      }
    element.append("\n");
    return element;
  }

  function apply([, number, typed, first, ...lines]) {
    const screen = screens[number];
    if (!lines.length) screen.live.replaceChildren(...[...screen.live.children].slice(0, first));
    lines.forEach((line, place) => {
      const old = screen.live.children[first + place],
        fresh = spell(line, place < typed);
      if (old) old.replaceWith(fresh);
      else screen.live.append(fresh);
    });
    screen.pre.scrollTop = screen.pre.scrollHeight;
  }

  /* Show the first `many` moments of the step; all of them: the end, as the page holds it. */
  function seek(many) {
    many = Math.max(0, Math.min(count, many));
    if (many === count) rest();
    else {
      if (!screens[0].live || many < position) clear();
      for (const screen of screens) {
        screen.pre.classList.add("playing");
        if (screen.live) continue;
        screen.live = make("span", {class: "fresh live"});
        screen.pre.append(screen.live);
      }
      for (let place = screens.fresh ? 0 : position; place < many; place++) apply(replay.moments[place]);
      screens.fresh = false;
      position = many;
    }
    say();
  }

  function clear() {
    for (const screen of screens) {
      screen.live?.remove();
      screen.live = null;
    }
    screens.fresh = true;
  }

  function rest() {
    clear();
    for (const {pre} of screens) pre.classList.remove("playing");
    position = count;
  }

  function say() {
    const moment = replay.moments[position - 1];
    const time = moment ? moment[0] : 0,
      window = moment && replay.windows[moment[1]];
    slider.value = position;
    at.textContent = `${position} / ${count}`;
    const line = moment?.slice(4).map(text).join(" ").trim();
    const what = !moment
      ? words.beginning
      : position === count
        ? words.rest
        : fill(moment[2] ? words.typed : words.printed, {window, line});
    slider.setAttribute("aria-valuetext", `${fill(words.moment, {moment: position, count, time})}. ${what}`);
    head();
  }

  /* ------------------------------------------------------------------ the clock */

  /* How long the moments up to number `next` (shown after it) are waited for. */
  function wait(next) {
    const moment = replay.moments[next],
      last = replay.moments[next - 1];
    const recorded = last ? moment[0] - last[0] : 0;
    if (speed.value === "recorded") return Math.min(LONGEST, recorded);
    if (last && !recorded) return 0;
    return (moment[2] ? TYPED : PACE) / speed.value;
  }

  function start() {
    if (!count) return;
    if (speed.value === "instant") return seek(count);
    if (speed.value === "single") return seek(position === count ? 0 : position + 1);
    if (position === count) seek(0);
    running(true);
    next();
  }

  function next() {
    timer = setTimeout(() => {
      seek(position + 1);
      if (position < count) next();
      else running(false);
    }, wait(position));
  }

  function stop() {
    clearTimeout(timer);
    timer = 0;
    running(false);
  }

  function running(on) {
    if (!on) timer = 0;
    controls.classList.toggle("running", on);
    play.firstElementChild.textContent = on ? "❚❚" : "▶";
    play.querySelector(".name").textContent = on ? words.pause : words.play;
  }

  const toggle = () => (controls.classList.contains("running") ? stop() : start());

  /* ------------------------------------------------------------------ the controls */

  speed.value = still.matches ? "single" : (kept("unshared.speed") ?? "1");
  speed.addEventListener("change", () => {
    stop();
    keep("unshared.speed", speed.value);
  });
  play.addEventListener("click", toggle);
  slider.addEventListener("input", () => {
    stop();
    seek(Number(slider.value));
  });
  slider.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  unshared.onkey(" ", toggle);

  unshared.onstep((index) => {
    stop();
    if (replay) rest();
    replay = replays[index];
    count = replay?.moments.length ?? 0;
    screens = replay ? screensOf(index) : [];
    controls.hidden = !count;
    slider.max = position = count;
    if (!count) return head();
    steps[index].element.querySelector(".stage").prepend(controls);
    rest();
    say();
  });
  unshared.onprint(() => {
    stop();
    if (replay) rest();
  });

  /* ------------------------------------------------------------------ the timeline */

  const timeline = document.querySelector(".timeline");
  timeline.append(document.getElementById("track").content);
  const [track, widths, tip] = timeline.children;
  const [blocks, mark] = track.children;
  const durations = steps.map(({start, end}) => (start !== null && end > start ? end - start : 0));
  let last = null;
  for (const {link, tone} of steps) {
    const exercise = link.closest("section");
    if (exercise !== last) blocks.append(make("div", {class: "group"}));
    blocks.lastElementChild.append(make("i", {class: tone}));
    last = exercise;
  }
  const cells = [...blocks.querySelectorAll("i")];
  blocks.classList.toggle("dense", cells.length > 150);

  const title = (index) => steps[index].link.querySelector(".name").textContent;
  const outcome = (index) => steps[index].link.querySelector(".sign .unseen").textContent;
  const spent = (seconds) => (seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);

  /* A step as wide as it took, but at least a third of what it would have if all took the same. */
  function spread(byDuration) {
    const least = durations.reduce((sum, each) => sum + each, 0) / (3 * cells.length) || 1;
    cells.forEach((cell, index) => {
      cell.style.flexGrow = byDuration ? Math.max(1, durations[index] / least) : 1;
    });
    for (const group of blocks.children) {
      group.style.flexGrow = [...group.children].reduce((sum, cell) => sum + Number(cell.style.flexGrow), 0);
    }
    widths.setAttribute("aria-pressed", byDuration);
    head();
  }

  function head() {
    const cell = cells[unshared.current];
    if (!cell) return;
    const part = count ? position / count : 1,
      frame = blocks.getBoundingClientRect(),
      box = cell.getBoundingClientRect();
    mark.style.transform = `translateX(${box.left - frame.left + part * box.width}px)`;
    blocks.querySelector(".now")?.classList.remove("now");
    cell.classList.add("now");
    track.setAttribute("aria-valuemax", steps.length);
    track.setAttribute("aria-valuenow", unshared.current + 1);
    const values = {
      number: unshared.current + 1,
      count: steps.length,
      title: title(unshared.current),
      outcome: outcome(unshared.current),
    };
    track.setAttribute("aria-valuetext", fill(words.step, values));
  }

  /* {index, part} of the step at a place of the timeline: the last one that begins before it. */
  function place(x) {
    let low = 0,
      high = cells.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (cells[middle].getBoundingClientRect().left <= x) low = middle;
      else high = middle - 1;
    }
    const box = cells[low].getBoundingClientRect();
    return {index: low, part: Math.max(0, Math.min(1, (x - box.left) / box.width))};
  }

  let dragged = null;
  function travel({index, part}) {
    stop();
    if (index !== unshared.current) unshared.go(index, undefined, {focus: false, write: false});
    if (dragged.far && count) seek(Math.round(part * count));
  }
  track.addEventListener("pointerdown", (event) => {
    if (event.button || !cells.length) return;
    track.setPointerCapture(event.pointerId);
    dragged = {x: event.clientX, far: false};
    travel(place(event.clientX));
  });
  track.addEventListener("pointermove", (event) => {
    const spot = cells.length && place(event.clientX);
    if (!spot) return;
    if (dragged) {
      dragged.far ||= Math.abs(event.clientX - dragged.x) > 4;
      travel(spot);
    }
    tip.hidden = false;
    tip.textContent = fill(words.duration, {
      title: title(spot.index),
      outcome: outcome(spot.index),
      time: spent(durations[spot.index]),
    });
    const frame = timeline.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(event.clientX - frame.left, frame.width - tip.offsetWidth))}px`;
  });
  track.addEventListener("pointerup", () => {
    if (dragged) unshared.go(unshared.current, undefined, {focus: false});
    dragged = null;
  });
  track.addEventListener("pointercancel", () => {
    dragged = null;
  });
  track.addEventListener("pointerleave", () => {
    tip.hidden = true;
  });
  track.addEventListener("keydown", (event) => {
    const last = steps.length - 1,
      current = unshared.current;
    const to = {
      ArrowRight: current + 1,
      ArrowUp: current + 1,
      ArrowLeft: current - 1,
      ArrowDown: current - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    unshared.go(Math.max(0, Math.min(last, to)), undefined, {focus: false});
  });
  widths.addEventListener("click", () => spread(widths.getAttribute("aria-pressed") === "false"));
  new ResizeObserver(head).observe(track);
  spread(true);
})();
