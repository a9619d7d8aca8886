// The matrix by keyboard and pointer: one field has the focus, arrow keys move it, Enter or a click chooses it.
// A field becomes the reference of its column, the head of a row that of all columns; the head of a column sorts.
function makeGrid() {
  GRID.setAttribute("role", "grid");
  const items = $$("thead tr:last-child th, tbody tr[data-row] > *", GRID);
  for (const item of items) item.tabIndex = -1;
  const start = $("tbody tr[data-row] > *", GRID);
  if (start) start.tabIndex = 0;
  for (const link of $$("td a", GRID)) link.tabIndex = -1;
  GRID.addEventListener("focusin", (event) => focusOn(event.target.closest("th, td"), items));
  GRID.addEventListener("pointerover", (event) => tell(event.target.closest("th, td")));
  GRID.addEventListener("click", (event) => choose(event.target.closest("th, td"), event));
  GRID.addEventListener("keydown", onKey);
}

const places = () => $$("thead tr:last-child, tbody tr[data-row]", GRID)
  .filter((row) => !row.hidden)
  .map((row) => [...row.children].filter((item) => !item.hidden));

function focusOn(item, items) {
  if (!item) return;
  for (const other of items) other.tabIndex = other === item ? 0 : -1;
  tell(item);
}

function placeOf(item) {
  const row = item.closest("tr").dataset.row;
  const column = [...item.parentElement.children].indexOf(item) - 1;
  return { row: row === undefined ? -1 : Number(row), column };
}

function tell(item) {
  if (!item || !GRID.contains(item)) return;
  const { row, column } = placeOf(item);
  if (row >= 0 && column >= 0) $("#told").textContent = told(row, column);
}

function choose(item, event) {
  if (!item || event.target.closest("a")) return;
  const { row, column } = placeOf(item);
  if (item.closest("thead")) {
    if (column >= 0) update((next) => { next.sort = next.sort === MATRIX.columns[column] ? "" : MATRIX.columns[column]; });
  } else if (row >= 0 && column < 0) chooseReference(row);
  else if (row >= 0 && numberAt(row, column) !== null) chooseReference(row, column);
}

function onKey(event) {
  const item = event.target.closest("th, td");
  if (event.key === "Enter" || event.key === " ") {
    const link = $("a", item);
    if (link) link.click();
    else choose(item, event);
    event.preventDefault();
    return;
  }
  const rows = places();
  const at = rows.findIndex((row) => row.includes(item));
  const column = rows[at]?.indexOf(item) ?? 0;
  const moves = {
    ArrowRight: [at, column + 1], ArrowLeft: [at, column - 1], ArrowDown: [at + 1, column], ArrowUp: [at - 1, column],
    Home: [at, 0], End: [at, Infinity],
  };
  const to = moves[event.key];
  if (!to || at < 0) return;
  const row = rows[Math.min(rows.length - 1, Math.max(0, to[0]))];
  row[Math.min(row.length - 1, Math.max(0, to[1]))].focus();
  event.preventDefault();
}

if (GRID) makeGrid();
