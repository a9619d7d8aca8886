// The tables: their headings sort, the filters hide rows, and what came packed is unpacked when it is opened.
// Rows that are equal keep the order that they have, so that a second heading sorts within the first. Rows without a
// value stay at the end, inference stays below training.
const unpacked = async (base64) => {
  const bytes = Uint8Array.from(atob(base64.trim()), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};

const rowsOf = (table) => [...table.tBodies].filter((body) => !body.classList.contains("group")).flatMap((body) => [...body.rows]);

function prepare(table) {
  const of = DATA.rows[table.closest("[id^=t-]")?.id.slice(2)];
  rowsOf(table).forEach((row, at) => { if (of) row.of = of[at]; });
  const bodies = [...table.tBodies].filter((body) => !body.classList.contains("group"));
  const originals = bodies.map((body) => [...body.rows]);
  $$("thead th", table).forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[heading.getAttribute("aria-sort")];
      $$("thead th", table).forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", next);
      bodies.forEach((body, index) => {
        const direction = next === "descending" ? -1 : 1;
        body.append(...(next === "none" ? originals[index] : sorted(body.rows, column, direction)));
      });
    });
  });
}

// The key of a field: what the page gives with it, else the number that its text begins with, else its text.
function keyOf(cell) {
  const text = cell.textContent.trim();
  if (cell.matches("th, .n")) return text;
  if (text === "") return Infinity;
  const number = Number(cell.dataset.sort ?? text.replace(/[,×%±\s]/g, ""));
  return Number.isNaN(number) ? text : number;
}

function sorted(rows, column, direction) {
  const isHole = (row) => !row.cells[column] || row.cells[column].colSpan > 1 || $("s", row) !== null;
  const rank = (value) => (typeof value === "number" ? (Number.isFinite(value) ? 0 : 2) : 1);
  const compare = (a, b) => {
    if (isHole(a) || isHole(b)) return isHole(a) - isHole(b);
    const [x, y] = [keyOf(a.cells[column]), keyOf(b.cells[column])];
    if (rank(x) !== rank(y)) return rank(x) - rank(y);
    return direction * (typeof x === "number" ? x - y || 0 : x.localeCompare(y));
  };
  return [...rows].sort(compare);
}

function filterTable(table) {
  const rows = rowsOf(table);
  for (const row of rows) row.hidden = row.of !== undefined && !isRowShown(row.of);
  const left = rows.filter((row) => !row.hidden).length;
  const count = $("summary .count", table.closest("details") ?? document.createElement("p"));
  if (count) count.textContent = left === rows.length ? `${rows.length} rows` : `${left} of ${rows.length} rows`;
  for (const group of $$("tbody.group", table)) group.hidden = [...(group.nextElementSibling?.rows ?? [])].every((row) => row.hidden);
}

const TABLES = $$(".table table").filter((table) => !table.closest("[data-packed]"));
for (const table of TABLES) prepare(table);
for (const box of $$("details[data-packed]")) {
  box.addEventListener("toggle", async () => {
    const source = $("script[data-rows]", box);
    if (!box.open || !source) return;
    const text = source.textContent;
    source.remove();
    const table = $("table", box);
    table.insertAdjacentHTML("beforeend", await unpacked(text)); // rows that this page's template has escaped
    $(".packed", box).hidden = true;
    table.closest(".table").hidden = false;
    prepare(table);
    filterTable(table);
    TABLES.push(table);
  });
}
watchers.push(() => TABLES.forEach(filterTable));
