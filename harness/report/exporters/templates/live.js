// Charts that follow what is chosen. Until something is, one sees the charts that were drawn ahead, which need no script.
// Vega and the specifications come compressed with the page and are unpacked when they are first needed. Vega runs
// without `eval`: expressions are interpreted (`ast`), as the page's content security policy asks for.
let specs = null; // a promise of the specifications by the name of their chart, for a wide and for a narrow page
let vega = null; // a promise of Vega's function that draws one
const FEW = 8; // charts of a section that are shown without being asked for
const NARROW = matchMedia("(max-width: 40rem)"); // as in media.css
const views = new Map(); // what Vega made, by figure

const readSpecs = async () => JSON.parse(await unpacked($("#specs").textContent));

async function startVega() {
  const script = document.createElement("script");
  script.textContent = await unpacked($("#vega").textContent);
  document.head.append(script);
  if (!window.vegaEmbed) throw new Error("the chart library did not start");
  return window.vegaEmbed;
}

const isLive = () => isFiltered() || isRatio();

// The cells that a chart selects among those shown, as its specification's first filter says.
function selected(spec) {
  const filter = JSON.stringify(spec).match(/"filter":(\{"and":\[[^\]]*\]\})/);
  const conditions = filter ? JSON.parse(filter[1]).and : [];
  return [...shown].filter((at) => conditions.every(({ field, equal }) => CELLS[at][field] === equal));
}

function rowsFor() {
  return [...shown].map((at) => {
    const { words, ...cell } = CELLS[at];
    const reference = ratioReference(at);
    const isKnown = reference !== null && cell.step_ns !== null && reference.step_ns;
    return {
      ...cell,
      hue: DATA.hues[cell.title] ?? 0,
      label: `${cell.title} ${cell.mode}`,
      ratio: isKnown ? cell.step_ns / reference.step_ns : null,
    };
  });
}

// The cell that a cell's step is a ratio of, where the reader asked for ratios; null: there is none.
function ratioReference(at) {
  if (!isRatio()) return null;
  const row = MATRIX.rows.find(([, , cells]) => cells.includes(at));
  const column = MATRIX.works ? row[2].indexOf(at) : 0;
  const reference = referenceRow(column, CELLS[at].is_inference, MEASURES.step);
  return reference < 0 ? null : CELLS[cellAt(reference, column)];
}

async function drawLive(figure) {
  const stage = $(".live", figure);
  const { turn } = figure;
  try {
    const embed = await (vega ??= startVega());
    const spec = { ...(await specs)[figure.dataset.chart][NARROW.matches ? 1 : 0], datasets: { cells: rowsFor() } };
    const made = await embed(stage, spec, { mode: "vega-lite", ast: true, renderer: "svg", actions: false, logLevel: 1 });
    if (turn !== figure.turn) return made.finalize();
    views.get(figure)?.finalize();
    views.set(figure, made);
    const drawing = $("svg", stage);
    for (const mark of $$("[role], [aria-roledescription]", drawing)) { // one label says it all
      for (const name of ["role", "aria-roledescription", "aria-label"]) mark.removeAttribute(name);
    }
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", `${$("figcaption b", figure).textContent} The cells that are shown.`);
    figure.classList.add("is-live");
  } catch (error) {
    $(".failed", figure).textContent = `This chart shows all cells: it cannot be drawn anew here (${error.message}).`;
  }
}

// Draws a figure that is in sight, or nearly, and does not show yet what is chosen.
function refresh(figure) {
  if (!figure.isStale || !figure.isNear || !isLive()) return;
  figure.isStale = false;
  drawLive(figure);
}

const FIGURES = $("#specs") ? $$("figure[data-live]") : [];
const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      target.isNear = isIntersecting;
      refresh(target);
    }
  },
  { rootMargin: "300px" },
);
for (const figure of FIGURES) near.observe(figure);

async function followState() {
  for (const figure of FIGURES) {
    figure.isStale = true;
    figure.turn = (figure.turn ?? 0) + 1; // what is being drawn is of no use any more
    if (!isLive()) figure.classList.remove("is-live");
    figure.hidden = false;
  }
  for (const box of $$("details.more")) box.hidden = false;
  if (!isLive()) return;
  const known = await (specs ??= readSpecs());
  for (const figure of FIGURES) {
    figure.hidden = isLive() && selected(known[figure.dataset.chart][0]).length === 0;
    if (!figure.hidden) refresh(figure);
  }
  for (const box of $$("details.more")) {
    const left = $$("figure", box.parentElement).filter((figure) => !figure.hidden);
    box.hidden = left.every((figure) => !box.contains(figure));
    if (isFiltered() && left.length <= FEW) box.open = true; // few are left, so one sees them all
  }
}

if (FIGURES.length) {
  watchers.push(followState);
  NARROW.addEventListener("change", followState);
}
