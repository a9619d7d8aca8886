// Charts that follow what is chosen. Until something is, one sees the charts that were drawn ahead, which need no script.
// Vega comes compressed with the page and is unpacked when it is first needed. It runs without `eval`: expressions are
// interpreted (`ast`), as the page's content security policy asks for.
const SPECS = json("specs") ?? {};
const views = new Map(); // what Vega made, by figure
let vega = null; // a promise of its runtime

function runtime() {
  vega ??= unpacked($("#vega").textContent).then((code) => {
    const script = document.createElement("script");
    script.textContent = code;
    document.head.append(script);
    if (!window.vegaEmbed) throw new Error("the chart library did not start");
    return window.vegaEmbed;
  });
  return vega;
}

const isLive = () => isFiltered() || state.refs.length > 0 || isRatio();

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
  if (!MATRIX || (!isRatio() && !state.refs.length)) return null;
  const cell = CELLS[at];
  const column = MATRIX.works ? MATRIX.rows.flatMap(([, , cells]) => [cells.indexOf(at)]).find((found) => found >= 0) : MATRIX.columns.indexOf("step");
  if (column === undefined || column < 0) return null;
  const row = referenceRow(column, cell.is_inference);
  return row < 0 ? null : CELLS[cellAt(row, column)];
}

async function drawLive(figure) {
  const [spec, stage] = [SPECS[figure.dataset.chart], $(".live", figure)];
  const turn = (figure.turn = (figure.turn ?? 0) + 1);
  try {
    const embed = await runtime();
    const width = Math.max(320, stage.parentElement.clientWidth);
    const sized = typeof spec.width === "number" ? {} : { width };
    const made = await embed(stage, { ...spec, ...sized, datasets: { cells: rowsFor() } }, {
      mode: "vega-lite", ast: true, renderer: "svg", actions: false, tooltip: { theme: "page" },
    });
    if (turn !== figure.turn) return made.finalize();
    views.get(figure)?.finalize();
    views.set(figure, made);
    $("svg", stage)?.setAttribute("role", "img");
    $("svg", stage)?.setAttribute("aria-label", `${$("figcaption b", figure).textContent} The cells that are shown.`);
    figure.classList.add("is-live");
  } catch (error) {
    $(".failed", figure).textContent = `This chart shows all cells: it cannot be drawn anew here (${error.message}).`;
  }
}

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    target.isSeen = isIntersecting;
    if (isIntersecting && target.isStale) refresh(target);
  }
}, { rootMargin: "300px" });

function refresh(figure) {
  figure.isStale = false;
  if (isLive()) drawLive(figure);
}

const FIGURES = $$("figure[data-chart]").filter((figure) => SPECS[figure.dataset.chart]);
FIGURES.forEach((figure) => seen.observe(figure));
watchers.push(() => {
  for (const figure of FIGURES) {
    figure.hidden = isFiltered() && selected(SPECS[figure.dataset.chart]).length === 0;
    figure.isStale = true;
    if (!isLive()) {
      figure.turn = (figure.turn ?? 0) + 1;
      figure.classList.remove("is-live");
    }
    if (figure.isSeen && !figure.hidden) refresh(figure);
  }
});
