// What the reader chose. It stands in the page's address, so that a view can be sent to somebody and the back button
// works:  #framework=torch,jax&find=adam&ref=torch:eager&show=ratio&at=memory
// A name or value that the page does not know is left out when the address is read. An address without "=" is an anchor.
const FIELDS = ["framework", "mode", "workload", "size", "precision", "optimizer", "device", "allocator", "batch", "status"];
const VALUES = Object.fromEntries(FIELDS.map((field) => [field, new Set(CELLS.map((cell) => cell[field]))]));
const ROW_KEYS = new Set(MATRIX ? MATRIX.rows.map(([key]) => key) : []);
const COLUMN_KEYS = MATRIX ? MATRIX.columns : [];

const nothing = () => ({
  chosen: {}, find: "", measure: MATRIX?.measures[0] ?? "", show: "", refs: [], sort: "", at: "",
  unknown: [], // what an address asks for and the page does not have
});

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // "%" without two digits
  }
}

// A comma and a colon may stand in an address as they are; a value's own comma is encoded, so that a list can be split.
const encoded = (text) => encodeURIComponent(text).replaceAll("%3A", ":").replaceAll("%2F", "/").replaceAll("%40", "@");

function isReference(text) {
  const [row, column] = split(text);
  return ROW_KEYS.has(row) && (column === "" || COLUMN_KEYS.includes(column));
}

// The name of a framework may have an "@" itself, before its mode.
const split = (reference) => {
  const at = reference.indexOf("@", reference.indexOf(":"));
  return at < 0 ? [reference, ""] : [reference.slice(0, at), reference.slice(at + 1)];
};

function read(hash) {
  const state = nothing();
  for (const part of hash.replace(/^#/, "").split("&")) {
    const at = part.indexOf("=");
    const [name, text] = at < 0 ? ["at", part] : [part.slice(0, at), part.slice(at + 1)];
    const values = text.split(",").map(decoded).filter((value) => value !== "");
    if (FIELDS.includes(name)) {
      const known = values.filter((value) => VALUES[name].has(value));
      if (known.length) state.chosen[name] = new Set(known);
      state.unknown.push(...values.filter((value) => !VALUES[name].has(value)).map((value) => `${name} ${value}`));
    } else if (name === "find") state.find = decoded(text);
    else if (name === "measure" && MATRIX?.measures.includes(values[0])) state.measure = values[0];
    else if (name === "show" && ["ratio", "absolute"].includes(values[0])) state.show = values[0];
    else if (name === "ref") {
      state.refs = values.filter(isReference);
      state.unknown.push(...values.filter((value) => !isReference(value)).map((value) => `the reference ${value}`));
    } else if (name === "sort" && COLUMN_KEYS.includes(values[0])) state.sort = values[0];
    else if (name === "at" && document.getElementById(decoded(text))) state.at = decoded(text);
  }
  return state;
}

function written(state) {
  const parts = FIELDS.filter((field) => state.chosen[field]?.size).map(
    (field) => `${field}=${[...state.chosen[field]].map(encoded).join(",")}`,
  );
  if (state.find) parts.push(`find=${encoded(state.find)}`);
  if (state.measure !== nothing().measure) parts.push(`measure=${state.measure}`);
  if (state.refs.length) parts.push(`ref=${state.refs.map(encoded).join(",")}`);
  if (state.show) parts.push(`show=${state.show}`);
  if (state.sort) parts.push(`sort=${encoded(state.sort)}`);
  if (state.at) parts.push(parts.length ? `at=${encoded(state.at)}` : encoded(state.at));
  return parts.length ? `#${parts.join("&")}` : "";
}

let state = read(location.hash);
const watchers = []; // each is called with the state, after every change

// `change` alters a copy of the state. Each change is a step of the back button, unless it `replaces` the last one.
function update(change, { replaces = false } = {}) {
  const next = { ...state, chosen: { ...state.chosen }, refs: [...state.refs], at: "", unknown: [] };
  change(next);
  const address = written(next);
  if (address !== written(state)) {
    history[replaces ? "replaceState" : "pushState"](null, "", address || location.href.split("#")[0]);
  }
  apply(next);
}

function apply(next) {
  state = next;
  for (const watch of watchers) watch(state);
}

const isRatio = () => state.show === "ratio";
addEventListener("popstate", () => {
  apply(read(location.hash));
  if (state.at) goTo(state.at);
});

// Anchors within the page keep what was chosen.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const at = decoded(link.hash.slice(1));
  update((next) => { next.at = at; });
  goTo(at);
});

function goTo(id) {
  const target = document.getElementById(id);
  if (!target) return;
  for (let box = target.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  if (target.matches("section")) {
    const only = $(":scope > details.full:only-of-type", target);
    if (only && !$("figure", target)) only.open = true; // a section that has nothing but its table
  }
  if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
  target.focus({ preventScroll: true });
  target.scrollIntoView();
}
