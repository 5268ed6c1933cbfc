"use strict";
/* The course in one file. A page of it is built once: to leave it for another one, the file is loaded again. */
(() => {
  const element = (id) => document.getElementById(id);
  const named = () => decodeURIComponent(location.hash.match(/^#\/lab\/([^/?]+)/)?.[1] ?? "");
  const lab = named(),
    packed = lab && element(`packed-${lab}`);

  addEventListener("hashchange", () => {
    if (named() !== lab) location.reload();
  });

  /* Run one of the scripts of this file; the policy knows its hash. */
  function run(text) {
    const script = document.createElement("script");
    script.textContent = text;
    document.body.append(script);
  }

  async function unpacked(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  async function open() {
    const page = new DOMParser().parseFromString(await unpacked(packed.textContent), "text/html");
    const script = element("script-lab").textContent;
    for (const link of page.querySelectorAll("a[href='index.html']")) link.setAttribute("href", "#/");
    page.body.dataset.base = `/lab/${lab}`;
    document.title = page.title;
    for (const style of document.querySelectorAll("style")) {
      style.media = ["style-lab", `style-lab-${lab}`].includes(style.id) ? "all" : "not all";
    }
    document.body.replaceWith(page.body);
    document.documentElement.classList.remove("opening");
    run(script);
    for (const link of document.querySelectorAll("a[href^='#/step/'], a[href^='#/claim/']")) {
      // for a tab of its own
      link.hash = `/lab/${lab}${link.hash.slice(1)}`;
    }
    document.dispatchEvent(new Event("DOMContentLoaded")); // what a page of its own waits for
  }

  if (packed) {
    open().catch((error) => {
      console.error(error);
      document.documentElement.classList.remove("opening");
      document.querySelector(".broken").hidden = false;
    });
  } else {
    document.documentElement.classList.remove("opening");
    run(element("script-index").textContent);
  }
})();
