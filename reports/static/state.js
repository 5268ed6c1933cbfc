"use strict";
/* The State tab: what a step changed in sentences, its drawings, and below them each watched process before and after it.

   The data is what reports/pages/states.py tells: places (a path and a field), rows (a place and a value), files (runs of rows
   of one path), moments (told from an earlier one), and for each process the rows that changed. Rows that did not change
   stand in folds, made when they are opened. */
(() => {
  const {data, make, steps} = unshared;
  const words = data("words"),
    drawn = data("drawn");
  const NOTHING = -1,
    LONG = 40;
  const known = new Map();
  let states = null;

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  /* ------------------------------------------------------------------ reading */

  /* The files of a moment by their paths' numbers. */
  function moment(number) {
    const chain = [];
    let at = number;
    for (; at !== NOTHING && !known.has(at); at = states.moments[at][0]) chain.push(at);
    let files = at === NOTHING ? new Map() : known.get(at);
    while (chain.length) {
      const one = chain.pop();
      files = new Map(files);
      for (const file of states.moments[one].slice(1)) {
        if (file < 0) files.delete(-1 - file);
        else files.set(states.places[states.rows[states.files[file][0]][0]][0], file);
      }
      known.set(one, files);
    }
    return files;
  }

  /* The rows of a file: values by the numbers of their places. */
  function rowsOf(file) {
    const rows = new Map(),
      runs = states.files[file] ?? [];
    for (let run = 0; run < runs.length; run += 2) {
      for (const [place, value] of states.rows.slice(runs[run], runs[run] + runs[run + 1])) rows.set(place, value);
    }
    return rows;
  }

  const placed = (number) => {
    const [path, field, group, entry] = states.places[number];
    return {path, field, group: states.groups[group], entry};
  };

  /* What became of each value, as it was found when the page was made: {path, field, group, minor, kind, before, after}. */
  function changed(numbers) {
    const rows = [];
    for (let at = 0; at < numbers.length; at += 3) {
      const [from, to, minor] = numbers.slice(at, at + 3);
      const kind = from === NOTHING ? "added" : to === NOTHING ? "removed" : "changed";
      const place = placed(states.rows[to === NOTHING ? from : to][0]);
      rows.push({...place, minor: Boolean(minor), kind, before: states.rows[from]?.[1], after: states.rows[to]?.[1]});
    }
    return rows;
  }

  /* The values of a moment of which none of these rows tells. */
  function same(number, told) {
    const rows = [];
    const entries = new Set(told.map((row) => row.entry));
    const paths = new Set(told.filter((row) => !row.field).map((row) => row.path));
    for (const [path, file] of moment(number)) {
      if (paths.has(path)) continue;
      for (const [place, value] of rowsOf(file)) {
        if (!entries.has(place)) rows.push({...placed(place), minor: false, kind: "same", before: value, after: value});
      }
    }
    return rows;
  }

  /* ------------------------------------------------------------------ values */

  const isMask = (row) => /^Cap[A-Z][a-z]+$/.test(row.field) && states.paths[row.path] === "/proc/PID/status";

  /* The names of the capabilities in a mask such as 00000000a80425fb. */
  function capabilities(mask) {
    const bits = BigInt(`0x${mask}`),
      names = [];
    for (let number = 0n; bits >> number; number++) {
      if ((bits >> number) & 1n) names.push(states.capabilities[Number(number)] ?? `CAP_${number}`);
    }
    return names;
  }

  const without = (all, some) => all.filter((name) => !some.includes(name));

  /* A mask in words: all, none, all but a few, or the names. */
  function decoded(mask) {
    const names = capabilities(mask),
      missing = without(states.capabilities, names);
    if (!names.length) return words.none;
    if (!missing.length) return fill(words.all, {count: names.length});
    return missing.length < 12 ? fill(words.but, {names: missing.join(" ")}) : names.join(" ");
  }

  const parts = (value) => value.split(/([ ,]+)/);

  /* A value with the words marked that the other side does not have; what is long and the same is shown on demand. */
  function marked(value, other, tag) {
    const there = new Set(other === undefined ? [] : parts(other)),
      cell = make("span");
    let same = "";
    const rest = () => {
      cell.append(same.length > LONG ? cut(same) : same);
      same = "";
    };
    for (const part of parts(value)) {
      if (there.has(part) || !part.trim()) same += part;
      else {
        rest();
        cell.append(make(tag, {}, part));
      }
    }
    rest();
    return cell;
  }

  function cut(text) {
    const button = make("button", {type: "button", class: "cut", "aria-label": words.more, title: text}, "…");
    button.addEventListener("click", () => button.replaceWith(text));
    return button;
  }

  function side(row, value, other, tag) {
    if (value === undefined) return "";
    const cell = make("span", {class: "value"}, row.kind === "same" ? value : marked(value, other, tag));
    if (isMask(row) && /^[0-9a-f]+$/.test(value)) cell.append(make("span", {class: "decoded"}, decoded(value)));
    return cell;
  }

  function list(sign, name, values) {
    return values.length
      ? make(
          "span",
          {class: name},
          make("span", {class: "unseen"}, `${words[name]} `),
          ...values.flatMap((value) => [`${sign}${value}`, " "]),
        )
      : "";
  }

  /* What happened to a row, in words. */
  function summary(row) {
    if (row.kind !== "changed") return make("span", {class: "kind"}, words[row.kind]);
    const {before, after} = row;
    if (isMask(row)) {
      const [old, now] = [capabilities(before), capabilities(after)];
      return make("span", {}, list("+", "gained", without(now, old)), list("−", "lost", without(old, now)));
    }
    if (/^\d{1,15}$/.test(before) && /^\d{1,15}$/.test(after)) {
      const by = after - before;
      return make("span", {class: "by"}, `${by > 0 ? "+" : "−"}${Math.abs(by)}`);
    }
    return make("span", {class: "kind"}, words.changed);
  }

  /* ------------------------------------------------------------------ tables */

  /* A name that may be broken where its parts meet. */
  function breakable(text) {
    return text
      .split(/(?<=[/._-])(?=[^/._-])|(?<=[a-z])(?=[A-Z])/)
      .flatMap((part, place) => (place ? [make("wbr"), part] : [part]));
  }

  function table(rows, compared = true) {
    const columns = compared ? ["where", "before", "after", "change"] : ["where", "after"];
    const body = make("tbody");
    for (const row of rows) {
      const head = make("th", {scope: "row"}, make("code", {}, ...breakable(states.paths[row.path])));
      if (row.field) head.append(" ", make("span", {class: "field"}, ...breakable(row.field)));
      const line = make("tr", {class: row.kind}, head);
      if (!compared) line.append(make("td", {}, make("span", {class: "value"}, row.after ?? row.before)));
      else if (row.kind === "same")
        line.append(make("td", {colspan: 2}, side(row, row.after)), make("td", {}, summary(row)));
      else {
        line.append(
          make("td", {"data-when": words.before}, side(row, row.before, row.after, "del")),
          make("td", {"data-when": words.after}, side(row, row.after, row.before, "ins")),
          make("td", {class: "change"}, summary(row)),
        );
      }
      body.append(line);
    }
    const head = make("tr", {}, ...columns.map((name) => make("th", {scope: "col"}, words[name])));
    return make("table", {class: compared ? "rows" : "rows whole"}, make("thead", {}, head), body);
  }

  /* A fold whose table is made when it is opened. */
  function fold(title, count, rows, compared) {
    const details = make(
      "details",
      {class: "fold"},
      make("summary", {}, title, " ", make("span", {class: "count"}, count)),
    );
    details.addEventListener("toggle", () => {
      if (details.open && !details.querySelector("table")) details.append(table(rows, compared));
    });
    return details;
  }

  /* ------------------------------------------------------------------ processes */

  function process([label, name, , before, from, after, to, numbers], step) {
    const compared = from !== NOTHING && to !== NOTHING;
    const pid =
      !compared && from === NOTHING && to === NOTHING
        ? words.never
        : from === NOTHING
          ? fill(words.appeared, {pid: after})
          : to === NOTHING
            ? fill(words.vanished, {before})
            : fill(before === after ? words.pid : words.moved, {before, pid: after});
    const section = make(
      "section",
      {class: "process"},
      make("h4", {}, label, " ", make("span", {class: "who"}, `${name} · ${pid}`)),
    );
    const told = changed(numbers);
    const rows = [...told, ...same(to === NOTHING ? from : to, told)];
    if (!compared) {
      section.append(
        ...groups(rows).map(([group, all]) =>
          fold(words.titles[group], fill(words.whole, {count: all.length}), all, false),
        ),
      );
      return section;
    }
    const matter = new Map(step.matter);
    const matters = ({path, field, kind}) =>
      matter.has(path) && (kind !== "same" || !field || matter.get(path).includes(field.split(" ")[0]));
    const first = rows.filter((row) => matters(row) && !row.minor);
    if (first.length) section.append(make("h5", {}, words.matter), table(first));
    const rest = rows.filter((row) => !first.includes(row));
    if (rows.every((row) => row.kind === "same" || row.minor))
      section.append(make("p", {class: "nothing"}, words.nothing));
    const quiet = make("div", {class: "quiet"});
    for (const [group, all] of groups(rest)) {
      const told = (row) => step.drawn.includes(row.path);
      const loud = all.filter((row) => row.kind !== "same" && !row.minor && !told(row));
      const shown = [
        ["drawn", all.filter((row) => row.kind !== "same" && !row.minor && told(row))],
        ["minor", all.filter((row) => row.kind !== "same" && row.minor)],
        ["unchanged", all.filter((row) => row.kind === "same")],
      ].filter(([, some]) => some.length);
      const count = shown.map(([word, some]) => fill(words[word], {count: some.length})).join(", ");
      const folded = shown.length
        ? fold(
            loud.length ? "" : words.titles[group],
            count,
            shown.flatMap(([, some]) => some),
            true,
          )
        : "";
      if (loud.length) section.append(make("h5", {}, words.titles[group]), table(loud), folded);
      else quiet.append(folded);
    }
    section.append(quiet);
    return section;
  }

  /* [group, its rows] in the order of the groups. */
  function groups(rows) {
    const parted = new Map(states.groups.map((group) => [group, []]));
    for (const row of rows) parted.get(row.group).push(row);
    return [...parted].filter(([, some]) => some.length);
  }

  /* What changed, in sentences. */
  function sentences(told) {
    const item = ([kind, text]) => {
      const sign = make("span", {class: "sign", "aria-hidden": "true"}, states.signs[kind]);
      const word = kind === "same" ? "" : make("span", {class: "unseen"}, `${words[kind]}: `);
      return make("li", {class: kind}, sign, make("span", {}, word, text));
    };
    return make("ul", {class: "summary"}, ...told.map(item));
  }

  /* A drawing as it was made with the page, where all text in it was escaped; it is parsed when it is first needed. */
  function drawing(number) {
    const source = document.getElementById(`drawing-${number}`).textContent;
    return new DOMParser().parseFromString(source, "text/html").body.childNodes;
  }

  unshared.ontab("state", (index, panel) => {
    states ??= data("states");
    const step = states.steps[steps[index].state],
      place = panel.querySelector(".kernel");
    if (step?.summary.length) place.append(sentences(step.summary));
    for (const number of drawn[index]) place.append(...drawing(number));
    for (const one of step?.processes ?? []) place.append(process(one, step));
    if (!place.childElementCount) place.append(make("p", {class: "nothing"}, words.unwatched));
  });
})();
