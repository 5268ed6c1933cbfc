"use strict";
/* Before the first paint: the page has a script, and perhaps a colour scheme that somebody chose. */
(() => {
  const root = document.documentElement;
  let theme = null;
  try {
    theme = localStorage.getItem("unshared.theme");
  } catch {
    /* a page on the disk may have no storage */
  }
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  root.classList.add("scripted");
})();
