// The matrix: what its fields show, how they are shaded, and what their ratios refer to.
// Without a chosen reference that is the best cell of the column that is shown, training and inference apart.
const GRID = $("#matrix table");
const BODY_ROWS = GRID ? $$("tbody tr[data-row]", GRID) : [];

const measureOf = (column) => MEASURES[MATRIX.works ? state.measure : MATRIX.columns[column]];
const cellAt = (row, column) => MATRIX.rows[row][2][column];

// The number by which a field is compared; null where there is none. Lines of code belong to every cell.
function numberAt(row, column, measure = measureOf(column)) {
  const cell = row < 0 ? null : CELLS[cellAt(row, column)];
  const value = cell && cell.status === "ok" ? measure.get(cell) : null;
  return typeof value === "number" ? value : null;
}

const endsAt = (row, column) => measureOf(column).ends?.(CELLS[cellAt(row, column)]) ?? [null, null];
const isWide = ([low, high]) => low !== null && high !== null && !(high <= DATA.wide * low);
const overlap = ([a, b], [c, d]) => [a, b, c, d].every((end) => end !== null) && a <= d && c <= b;

// The row that the reader chose as the reference of a column, for rows of inference or of training; -1: none that has a
// number there.
function chosenRow(column, isInference, measure = measureOf(column)) {
  if (measure.isCount) return -1; // a ratio of two break-evens says nothing
  const own = state.refs.find((reference) => split(reference)[1] === MATRIX.columns[column]);
  const key = split(own ?? state.refs.find((reference) => !split(reference)[1]) ?? "")[0];
  return MATRIX.rows.findIndex(([row, infers], at) => row === key && infers === isInference && numberAt(at, column, measure) !== null);
}

function referenceRow(column, isInference, measure = measureOf(column)) {
  const chosen = chosenRow(column, isInference, measure);
  return chosen < 0 ? bestRow(column, isInference, measure) : chosen;
}

// The row with the least number of a column; of steps the one that the blocks' pairs put first, while it is shown. A
// variant that does not compete is it only where nothing else is shown.
function bestRow(column, isInference, measure = measureOf(column)) {
  const isStep = measure === MEASURES.step;
  const able = MATRIX.rows.flatMap(([, infers, cells], row) =>
    infers === isInference && shown.has(cells[column]) && numberAt(row, column, measure) !== null ? [row] : []);
  const competing = able.filter((row) => CELLS[cellAt(row, column)].competes);
  let [best, least] = [-1, Infinity];
  for (const row of competing.length ? competing : able) {
    const key = isStep && CELLS[cellAt(row, column)].is_best ? -1 : numberAt(row, column, measure);
    if (key < least) [best, least] = [row, key];
  }
  return best;
}

// Whether a field is not told from the reference: against the best step by the blocks' pairs, else by the intervals.
function isTied(row, column, reference) {
  const [cell, other] = [CELLS[cellAt(row, column)], CELLS[cellAt(reference, column)]];
  if (row === reference || numberAt(row, column) === numberAt(reference, column)) return false;
  if (measureOf(column) === MEASURES.step && other.is_best) return cell.is_tied;
  return overlap(endsAt(row, column), endsAt(reference, column));
}

// Without a chosen reference the best is darkest. With one, what is near it has no colour; what is less is blue and what
// is more is brown, the farther the stronger.
function shadeOf(ratio, isChosen) {
  const place = (value) => {
    const at = DATA.shades.findIndex((end) => value * (1 - 1e-9) <= end);
    return at < 0 ? DATA.shades.length : at;
  };
  if (!isChosen) return `q${place(ratio)}`;
  const far = place(Math.max(ratio, 1 / ratio));
  return far === 0 ? "" : ratio < 1 ? `q${DATA.shades.length - far}` : `m${far}`;
}

const PLAIN = $("#shaded")?.textContent;

function drawKey(hasChosen, hasBest) {
  const best = hasChosen ? "other columns by the ratio to their best" : "";
  const chosen = "Shaded by the ratio to the reference, which has a frame: less is blue, more is brown";
  $("#shaded").textContent = hasChosen ? `${chosen}${hasBest ? `; ${best}` : ""}. The best is bold.` : PLAIN;
  const [plain, both] = [$("#shades"), $("#both")];
  if (plain) plain.hidden = !hasBest;
  both.hidden = !hasChosen;
  if (!hasChosen || both.children.length) return;
  const ends = [...DATA.shades.slice(1).map((end) => `≤ ${end}×`), `> ${DATA.shades.at(-1)}×`];
  const item = (css, text) => Object.assign(document.createElement("li"), { className: css, textContent: text });
  const less = ends.map((text, at) => item(`q${ends.length - 1 - at}`, text)).reverse();
  const more = ends.map((text, at) => item(`m${at + 1}`, text));
  both.append(item("side", "less by"), ...less, item("side", `within ${DATA.shades[0]}×`), ...more, item("side", "more"));
}

function drawField(field, row, column, { reference, best, isChosen }) {
  const cell = CELLS[cellAt(row, column)];
  field.classList.toggle("out", Boolean(cell) && !shown.has(cellAt(row, column)));
  if (!cell || (cell.status !== "ok" && measureOf(column) !== MEASURES.lines)) return;
  const measure = measureOf(column);
  const [value, number] = [measure.get(cell), numberAt(row, column)];
  const least = reference < 0 ? null : numberAt(reference, column);
  const ratio = number === null || least === null ? null : least ? number / least : 1;
  const text = value === null ? "" : isRatio() && ratio !== null && !measure.isCount ? times(ratio) : measure.text(value);
  field.textContent = (text && isWide(endsAt(row, column)) ? "~" : "") + text;
  const isAsGood = measure !== MEASURES.step && cell.competes && number === numberAt(best, column);
  const isBest = number !== null && (row === best || isAsGood);
  field.className = [
    ratio === null ? "" : shadeOf(ratio, isChosen),
    isBest ? "best" : "",
    ratio !== null && isTied(row, column, reference) ? "tied" : "",
  ].filter(Boolean).join(" ");
}

function drawMatrix() {
  const isVisible = MATRIX.columns.map((_, column) => MATRIX.rows.some(([, , cells]) => shown.has(cells[column])));
  const of = [false, true].map((infers) =>
    MATRIX.columns.map((_, column) => ({
      reference: referenceRow(column, infers),
      best: bestRow(column, infers),
      isChosen: chosenRow(column, infers) >= 0,
    })),
  );
  BODY_ROWS.forEach((element, row) => {
    const [key, isInference, cells] = MATRIX.rows[row];
    element.hidden = !cells.some((at) => shown.has(at));
    $("th", element).classList.toggle("ref", state.refs.includes(key));
    $$("td", element).forEach((field, column) => {
      drawField(field, row, column, of[+isInference][column]);
      field.hidden = !isVisible[column];
      const isReference = of[+isInference][column].isChosen && of[+isInference][column].reference === row;
      field.classList.toggle("ref", isReference);
      field.setAttribute("aria-selected", isReference);
    });
  });
  $$("thead tr:last-child th[data-column]", GRID).forEach((head, column) => {
    head.hidden = !isVisible[column];
    head.setAttribute("aria-sort", state.sort === MATRIX.columns[column] ? "ascending" : "none");
  });
  let column = 0; // upper headings span the columns that are left of theirs
  for (const above of $$("thead th[data-span]", GRID)) {
    const span = Number(above.dataset.span);
    const left = isVisible.slice(column, column + span).filter(Boolean).length;
    above.hidden = !left;
    above.colSpan = Math.max(1, left);
    column += span;
  }
  for (const body of $$("tbody", GRID)) {
    const rows = $$("tr[data-row]", body);
    body.hidden = rows.length > 0 && rows.every((row) => row.hidden);
    if (body.classList.contains("group")) body.hidden = MATRIX.rows.every(([, infers, cells]) => !infers || !cells.some((at) => shown.has(at)));
  }
  sortMatrix();
  const used = of.flat().filter(({ reference }, at) => reference >= 0 && isVisible[at % isVisible.length]);
  drawKey(used.some(({ isChosen }) => isChosen), used.some(({ isChosen }) => !isChosen));
  GRID.hidden = shown.size === 0;
  $("#nothing").hidden = shown.size > 0;
  $(".key").hidden = $("#told").hidden = shown.size === 0;
}

// By the numbers of a column, least first; fields without one stay at the end. Without a column: as the page came.
function sortMatrix() {
  const column = MATRIX.columns.indexOf(state.sort);
  for (const body of new Set(BODY_ROWS.map((row) => row.parentElement))) {
    const rows = BODY_ROWS.filter((row) => row.parentElement === body);
    const key = (row) => (column < 0 ? 0 : numberAt(Number(row.dataset.row), column) ?? Infinity);
    const sorted = [...rows].sort((a, b) => (key(a) === key(b) ? a.dataset.row - b.dataset.row : key(a) - key(b)));
    if (sorted.some((row, at) => row !== body.rows[at])) body.append(...sorted);
  }
}

// A reference that is chosen twice is none. The first one turns the fields into ratios, of which it is the 1×.
function chooseReference(row, column) {
  const key = MATRIX.rows[row][0] + (column === undefined ? "" : `@${MATRIX.columns[column]}`);
  update((next) => {
    if (next.refs.includes(key)) {
      next.refs = next.refs.filter((other) => other !== key);
      if (!next.refs.length) next.show = "";
      return;
    }
    const place = split(key)[1];
    next.refs = place ? [...next.refs.filter((other) => split(other)[1] !== place), key] : [key];
    next.show = "ratio";
  });
}

// What is known of a field, in one line.
function told(row, column) {
  const cell = CELLS[cellAt(row, column)];
  if (!cell) return "";
  const work = MATRIX.works ? ` on ${MATRIX.columns[column].replaceAll("/", " ")}` : "";
  const head = `${cell.title} ${cell.mode}${work}: `;
  if (cell.status !== "ok") return `${head}${cell.status}, ${cell.reason}`;
  const interval = cell.low_ns === null ? "" : ` (95 % interval ${duration(cell.low_ns)} to ${duration(cell.high_ns)})`;
  const parts = MATRIX.measures
    .map((name) => [name, MEASURES[name].get(cell)])
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${MEASURES[name].name} ${MEASURES[name].text(value)}${name === "step" ? interval : ""}`);
  const reference = referenceRow(column, cell.is_inference);
  const number = numberAt(row, column);
  if (number !== null && reference >= 0 && reference !== row && numberAt(reference, column) && !measureOf(column).isCount) {
    const cannot = isTied(row, column, reference) ? ", not told apart" : "";
    const other = CELLS[cellAt(reference, column)];
    parts.push(`${measureOf(column).name} ${times(number / numberAt(reference, column))} that of ${other.title} ${other.mode}${cannot}`);
  }
  if (cell.flags.length) parts.push(`flags ${cell.flags.join(", ")}`);
  return head + parts.join("; ");
}

if (GRID) watchers.push(drawMatrix);
