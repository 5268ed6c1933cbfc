"use strict";
/* What every script of a page uses; the later ones hang their own doors into the same object. */
window.unshared = (() => {
  const parsed = new Map(),
    memory = new Map();

  /* The data block <script type="application/json" id="ID">, parsed once. */
  function data(id) {
    if (!parsed.has(id)) parsed.set(id, JSON.parse(document.getElementById(id).textContent));
    return parsed.get(id);
  }

  /* make("td", {class: "value", hidden: true}, "text", child): an element; texts stay texts. */
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === true) element.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  /* What is remembered in this browser, or only until the page is left where the browser refuses to. */
  function kept(key) {
    try {
      return JSON.parse(localStorage.getItem(key)) ?? memory.get(key) ?? null;
    } catch {
      return memory.get(key) ?? null;
    }
  }
  function keep(key, value) {
    memory.set(key, value);
    try {
      localStorage.setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  const theme = document.querySelector("select.theme");
  if (theme) {
    theme.value = document.documentElement.dataset.theme ?? "auto";
    theme.addEventListener("change", () => {
      if (theme.value === "auto") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = theme.value;
      try {
        localStorage.setItem("unshared.theme", theme.value);
      } catch {
        /* it holds for this page only */
      }
    });
  }

  return {data, make, keep, kept};
})();
