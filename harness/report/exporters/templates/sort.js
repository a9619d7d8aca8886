// Headings are buttons that sort: up, down, and back to the order of the report. Rows that are equal keep the order that
// they have, so that a second heading sorts within the first. Rows without a value stay at the end, inference stays
// below training. Without JavaScript the tables keep their order, and no heading looks as if it sorted.
"use strict";
for (const table of document.querySelectorAll("table")) {
  const bodies = [...table.tBodies].filter((body) => !body.classList.contains("group"));
  const originals = bodies.map((body) => [...body.rows]);
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const current = heading.getAttribute("aria-sort");
      const next = { none: "ascending", ascending: "descending", descending: "none" }[current];
      table.querySelectorAll("thead th").forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", next);
      bodies.forEach((body, index) => {
        const direction = next === "descending" ? -1 : 1;
        body.append(...(next === "none" ? originals[index] : sorted(body.rows, column, direction)));
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
