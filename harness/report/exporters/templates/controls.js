// The controls above the matrix, and what the page does once for all: it shows what its address says.
const FORM = $("#controls");

function checkbox(field, value, label) {
  const box = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "checkbox", name: field, value });
  box.append(input, label);
  return box;
}

// One group of boxes for each field in which the cells differ.
function makeFilters() {
  for (const field of FIELDS.filter((name) => VALUES[name].size > 1)) {
    const group = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = field;
    group.append(legend);
    for (const value of VALUES[field]) {
      const label = field === "framework" ? CELLS.find((cell) => cell.framework === value).title : value;
      group.append(checkbox(field, value, label));
    }
    $("#filters").append(group);
  }
}

function showControls() {
  for (const input of $$("#filters input")) input.checked = Boolean(state.chosen[input.name]?.has(input.value));
  for (const input of $$("input[type=radio]", FORM)) {
    const chosen = { measure: state.measure, show: isRatio() ? "ratio" : "absolute" }[input.name];
    input.checked = input.value === chosen;
  }
  if (document.activeElement !== $("#find")) $("#find").value = state.find;
  const count = FIELDS.reduce((sum, field) => sum + (state.chosen[field]?.size ?? 0), 0);
  $("#chosen").textContent = count ? ` (${count})` : "";
  $("#reset").disabled = written({ ...state, at: "" }) === "";
  const all = CELLS.length === 1 ? "The only cell is shown." : `All ${CELLS.length} cells are shown.`;
  const said = shown.size === CELLS.length ? all : `${shown.size} of ${CELLS.length} cells are shown.`;
  $("#shown").textContent = said + saysReference() + saysUnknown();
}

function saysUnknown() {
  const names = state.unknown.map((name) => (name.length > 60 ? `${name.slice(0, 60)}…` : name));
  return names.length ? ` The address also asks for ${names.join(", ")}, which this run does not have.` : "";
}

function saysReference() {
  const names = state.refs.map((reference) => {
    const [key, column] = split(reference);
    const cell = CELLS[MATRIX.rows.find(([row]) => row === key)[2].find((at) => at >= 0)];
    return `${cell.title} ${cell.mode}${column ? ` (${column.replaceAll("/", " ")})` : ""}`;
  });
  return names.length ? ` The reference is ${names.join(", ")}.` : "";
}

function listen() {
  let typed = false;
  $("#find").addEventListener("input", (event) => {
    update((next) => { next.find = event.target.value; }, { replaces: typed });
    typed = true; // one word is one step of the back button
  });
  $("#find").addEventListener("change", () => { typed = false; });
  FORM.addEventListener("submit", (event) => event.preventDefault());
  FORM.addEventListener("change", ({ target }) => {
    if (target.type === "checkbox") {
      update((next) => {
        const chosen = new Set(next.chosen[target.name]);
        chosen[target.checked ? "add" : "delete"](target.value);
        next.chosen[target.name] = chosen;
      });
    }
    if (target.name === "measure") update((next) => { next.measure = target.value; next.sort = ""; });
    if (target.name === "show") update((next) => { next.show = target.value === "ratio" ? "ratio" : ""; });
  });
  for (const button of [$("#reset"), $("[data-reset]")]) {
    button.addEventListener("click", () => {
      $("#find").value = "";
      update((next) => Object.assign(next, nothing()));
    });
  }
  $("#copy").addEventListener("click", async ({ target }) => {
    try {
      await navigator.clipboard.writeText(location.href);
      target.textContent = "Copied";
    } catch {
      target.textContent = "Copy the address bar"; // a page from the disk may not write to the clipboard
    }
    setTimeout(() => { target.textContent = "Copy link"; }, 2000);
  });
}

// On paper everything is open.
let opened = [];
addEventListener("beforeprint", () => {
  opened = $$("details:not([open]):not([data-packed])");
  for (const box of opened) box.open = true;
});
addEventListener("afterprint", () => {
  for (const box of opened) box.open = false;
});

if (FORM) {
  makeFilters();
  listen();
  FORM.hidden = false;
  watchers.push(showControls);
}
document.documentElement.classList.add("scripted");
apply(state);
if (state.at) goTo(state.at);
