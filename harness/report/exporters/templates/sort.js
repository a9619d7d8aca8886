// A click on a heading sorts a table: rows without a value stay at the end, inference stays below training. Without
// JavaScript the tables keep their order.
"use strict";
for (const table of document.querySelectorAll("table")) {
  const bodies = [...table.tBodies].filter((body) => !body.classList.contains("group"));
  const originals = bodies.map((body) => [...body.rows]);
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const current = heading.getAttribute("aria-sort");
      const next = current === "ascending" ? "descending" : current === "descending" ? null : "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      if (next) heading.setAttribute("aria-sort", next);
      bodies.forEach((body, index) => {
        const rows = originals[index];
        body.append(...(next ? sorted(rows, column, next === "descending" ? -1 : 1) : rows));
      });
    });
  });
}

function sorted(rows, column, direction) {
  const isHole = (row) => !row.cells[column] || row.cells[column].colSpan > 1 || row.querySelector("s") !== null;
  const key = (row) => {
    const cell = row.cells[column];
    const number = cell.classList.contains("number") ? Number(cell.dataset.sort) : NaN;
    return Number.isNaN(number) ? cell.textContent.trim() : number;
  };
  const rank = (value) => (typeof value === "number" ? (Number.isFinite(value) ? 0 : 2) : 1);
  const compare = (a, b) => {
    if (isHole(a) || isHole(b)) return isHole(a) - isHole(b);
    const x = key(a);
    const y = key(b);
    if (rank(x) !== rank(y)) return rank(x) - rank(y);
    return direction * (typeof x === "number" ? x - y || 0 : x.localeCompare(y));
  };
  return [...rows].sort(compare);
}
