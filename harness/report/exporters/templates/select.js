// Which cells are shown: those that have one of the chosen values in each field, and all words that are searched for.
function isShown(cell) {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  return (
    FIELDS.every((field) => !state.chosen[field]?.size || state.chosen[field].has(cell[field])) &&
    words.every((word) => cell.words.includes(word))
  );
}

let shown = new Set(CELLS.map((_, at) => at)); // indices of the cells that are shown
watchers.push(() => {
  shown = new Set(CELLS.flatMap((cell, at) => (isShown(cell) ? [at] : [])));
});

const isFiltered = () => Boolean(state.find) || FIELDS.some((field) => state.chosen[field]?.size);

// A row of a table: by its cell, or, where its cell has no step, by its framework alone.
function isRowShown(of) {
  if (typeof of === "number") return shown.has(of);
  return !state.chosen.framework?.size || state.chosen.framework.has(of);
}
