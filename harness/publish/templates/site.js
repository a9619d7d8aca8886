"use strict";
// Tables of class "sortable" sort by their headings; a form of class "filter" hides the rows without its words.
(() => {
  const value = (row, at) => {
    const cell = [...row.cells].find((_, index, all) => {
      const before = all.slice(0, index).reduce((sum, one) => sum + one.colSpan, 0);
      return at >= before && at < before + all[index].colSpan;
    });
    const text = cell ? cell.dataset.sort ?? cell.textContent.trim() : "";
    const number = Number(text.replaceAll(",", ""));
    return text === "inf" ? Infinity : text !== "" && !Number.isNaN(number) ? number : text.toLowerCase();
  };
  const order = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b || 0;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a < b ? -1 : a > b ? 1 : 0;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const first = [...body.rows];
    headings.forEach((heading, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const next = { none: "ascending", ascending: "descending", descending: "none" }[heading.getAttribute("aria-sort")];
        headings.forEach(one => one.setAttribute("aria-sort", "none"));
        heading.setAttribute("aria-sort", next);
        const rows = [...first];
        if (next !== "none") {
          const keyed = rows.map(row => [value(row, at), row]);
          keyed.sort((a, b) => (next === "ascending" ? order(a[0], b[0]) : order(b[0], a[0])));
          body.append(...keyed.map(pair => pair[1]));
        } else body.append(...rows);
      });
    });
  }
  for (const form of document.querySelectorAll("form.filter")) {
    const rows = [...document.getElementById(form.dataset.table).tBodies[0].rows];
    const texts = rows.map(row => row.textContent.toLowerCase());
    const input = form.querySelector("input");
    const output = form.querySelector("output");
    const all = output.textContent;
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, at) => {
        row.hidden = !words.every(word => texts[at].includes(word));
        shown += !row.hidden;
      });
      output.textContent = words.length ? `${shown} of ${all}` : all;
    };
    const read = () => {
      input.value = new URLSearchParams(location.hash.slice(1)).get("filter") ?? "";
      show();
    };
    input.addEventListener("input", () => {
      const hash = input.value ? `#${new URLSearchParams({ filter: input.value })}` : "";
      history.replaceState(null, "", hash || location.pathname);
      show();
    });
    form.addEventListener("submit", event => event.preventDefault());
    addEventListener("hashchange", read);
    form.hidden = false;
    read();
  }
})();
