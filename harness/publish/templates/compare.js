"use strict";
// Compares two runs of the site as `samestep compare` matches and estimates them, without its verdicts. The data of a run
// come as a script that calls samestepRun, which works from the disk, too.
const SITE = JSON.parse(document.getElementById("data").textContent);
const FIELDS = ["framework", "mode", "workload", "optimizer", "size", "precision", "device", "allocator", "batch", "ranks", "scaling", "variant"];
const loaded = new Map();

function samestepRun(data) {
  loaded.set(data.name, data);
}

function load(name) {
  if (loaded.has(name)) return Promise.resolve(loaded.get(name));
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `data/${encodeURIComponent(name)}.js`;
    script.addEventListener("load", () => (loaded.has(name) ? resolve(loaded.get(name)) : reject(new Error(script.src))));
    script.addEventListener("error", () => reject(new Error(script.src)));
    document.head.append(script);
  });
}

// Student's t for the intervals of the tables, by interpolation of its logarithm in 1 / degrees of freedom
function quantile(freedom) {
  const at = Math.min(1, 1 / freedom) * (SITE.logT.length - 1);
  const low = Math.min(Math.floor(at), SITE.logT.length - 2);
  return Math.exp(SITE.logT[low] + (at - low) * (SITE.logT[low + 1] - SITE.logT[low]));
}

const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = values => {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
};

function estimated(log, error, freedom) {
  if (error === null) return { value: Math.exp(log), low: null, high: null };
  const half = error === 0 ? 0 : quantile(freedom) * error;
  return { value: Math.exp(log), low: Math.exp(log - half), high: Math.exp(log + half) };
}

// Ratio b / a of independent samples: Welch's interval on logarithms
function unpaired(b, a) {
  const logs = [b, a].map(values => values.map(Math.log));
  const log = mean(logs[0]) - mean(logs[1]);
  if (Math.min(b.length, a.length) < 2) return estimated(log, null);
  const parts = logs.map(values => variance(values) / values.length);
  const sum = parts[0] + parts[1];
  const freedom = sum ** 2 / parts.reduce((total, part, at) => total + part ** 2 / (logs[at].length - 1), 0);
  return estimated(log, Math.sqrt(sum), freedom);
}

// Ratio b / a paired by block: Student's interval on the logarithms of the blocks' ratios
function paired(b, a) {
  const logs = b.map((value, at) => Math.log(value / a[at]));
  const log = mean(logs);
  return logs.length < 2 ? estimated(log, null) : estimated(log, Math.sqrt(variance(logs) / logs.length), logs.length - 1);
}

function sameSession(a, b) {
  const shared = Object.keys(a.spans).filter(block => block in b.spans);
  const overlap = block => a.spans[block][0] <= b.spans[block][1] && b.spans[block][0] <= a.spans[block][1];
  return a.seed === b.seed && shared.length > 0 && shared.every(overlap);
}

function moved(a, b) {
  const shared = Object.keys(a.probes).filter(probe => probe in b.probes);
  const changes = shared.map(probe => [Math.abs(Math.log(b.probes[probe] / a.probes[probe])), probe]);
  changes.sort((one, other) => other[0] - one[0]);
  return changes.length ? { value: Math.expm1(changes[0][0]), probe: changes[0][1] } : null;
}

const significant = value => value.toLocaleString("en", { maximumSignificantDigits: 3, minimumSignificantDigits: 3 });
const percent = value => `${value >= 0.1 ? (100 * value).toFixed(0) : (100 * value).toPrecision(2)} %`;
const shown = ratio => {
  if (ratio.low === null) return ratio.value.toFixed(3);
  if (ratio.high > SITE.wide * ratio.low) return `${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)}`;
  return `${ratio.value.toFixed(3)} (${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)})`;
};

function basis(a, b) {
  const floor = Math.max(a.floor, b.floor);
  const noise = value => `differences up to ${percent(value)} may be noise`;
  if (sameSession(a, b)) return { paired: true, floor, why: "", sentence: `Paired by block within one session; ${noise(floor)}.` };
  const movement = moved(a, b);
  if (movement === null) {
    const sentence = "Two sessions, and no drift probes of one library in both that would tell how the machine changed between them: nothing here is comparable.";
    return { paired: false, floor, sentence, why: "another session, without drift probes in both" };
  }
  const wider = Math.max(floor, movement.value);
  const sentence = `Two sessions, compared as independent samples: between them the machine itself moved by ${percent(movement.value)} (${movement.probe}), so ${noise(wider)}.`;
  return { paired: false, floor: wider, sentence, why: "" };
}

function incomparable(a, b) {
  const at = SITE.facts.findIndex((_, fact) => a.machine[fact] && b.machine[fact] && a.machine[fact] !== b.machine[fact]);
  return at < 0 ? "" : `${SITE.facts[at]}: ${a.machine[at]} (A), ${b.machine[at]} (B)`;
}

function compared(a, b, how, runs) {
  const reasons = [["A", a], ["B", b]].filter(([, cell]) => cell.step_ns === null);
  const missing = reasons.map(([side, cell]) => `${side}: ${cell.status}${cell.reason ? `, ${cell.reason}` : ""}`).join("; ");
  if (missing) return { what: a.label, missing };
  let [timesA, timesB] = [a.times, b.times];
  if (how.paired) {
    const blocks = cell => new Map(cell.times.map(times => [times[0], times]));
    const [ofA, ofB] = [blocks(a), blocks(b)];
    const left = new Set([...runs[0].incomplete, ...runs[1].incomplete]);
    const shared = [...ofA.keys()].filter(block => ofB.has(block) && !left.has(block));
    if (!shared.length) return { what: a.label, missing: "no finished block in common" };
    [timesA, timesB] = [ofA, ofB].map(of => shared.map(block => of.get(block)));
  }
  const ratio = how.paired ? paired : unpaired;
  const at = column => ratio(timesB.map(times => times[column]), timesA.map(times => times[column]));
  const geometric = times => Math.exp(mean(times.map(each => Math.log(each[1]))));
  return {
    what: a.label, a_ns: geometric(timesA), b_ns: geometric(timesB), step: at(1), first: at(2),
    why: how.why || incomparable(a, b), missing: "",
  };
}

function matched(a, b, how) {
  const key = cell => JSON.stringify(FIELDS.map(field => cell[field] || 0));
  const [ofA, ofB] = [a, b].map(run => new Map(run.cells.map(cell => [key(cell), cell])));
  return [...new Set([...ofA.keys(), ...ofB.keys()])].map(each => {
    const [cellA, cellB] = [ofA.get(each), ofB.get(each)];
    if (cellA && cellB) return compared(cellA, cellB, how, [a, b]);
    return { what: (cellA ?? cellB).label, missing: `not in ${cellA ? "B" : "A"}` };
  });
}

function unlike(a, b) {
  const sentences = new Map();
  for (const one of a.software) {
    const other = b.software.find(each => each.framework === one.framework && each.device === one.device);
    const parts = [["python", text => `Python ${text}`], ["versions", list => list.join(" ")], ["image", text => `image ${text}`]];
    for (const [part, said] of other ? parts : []) {
      const [ours, theirs] = [said(one[part]), said(other[part])];
      if (ours === theirs || !one[part].length || !other[part].length) continue;
      const sentence = `${ours} (A), ${theirs} (B)`;
      sentences.set(sentence, [...(sentences.get(sentence) ?? []), one.framework]);
    }
  }
  const found = [...sentences].map(([sentence, frameworks]) => `${frameworks.join(", ")}: ${sentence}`);
  return a.driver === b.driver ? found : [`driver ${a.driver || "none"} (A), ${b.driver || "none"} (B)`, ...found];
}

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// A ratio on a logarithmic line from a half to twice, with the noise floor around 1
function forest(ratio, floor) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const x = value => 72 + 70 * Math.max(-1, Math.min(1, Math.log2(value)));
  const draw = (tag, attributes) => {
    const made = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    svg.append(made);
  };
  svg.setAttribute("viewBox", "0 0 144 16");
  svg.setAttribute("class", "forest");
  svg.setAttribute("aria-hidden", "true");
  draw("rect", { class: "floor", x: x(1 / (1 + floor)), width: x(1 + floor) - x(1 / (1 + floor)), y: 0, height: 16 });
  draw("line", { class: "axis", x1: 2, x2: 142, y1: 8, y2: 8 });
  if (ratio.low !== null) draw("line", { class: "span", x1: x(ratio.low), x2: x(ratio.high), y1: 8, y2: 8 });
  draw("circle", { class: "value", cx: x(ratio.value), cy: 8, r: 3 });
  return svg;
}

const HEADINGS = ["cell", "A µs", "B µs", "step ratio B / A, 95 %", "½ to 2×", "first step ratio, 95 %", "note"];

function row(cell, how) {
  const { floor } = how;
  const { step } = cell;
  const isApart = !cell.why && step.low !== null && (step.low > 1 + floor || step.high < 1 / (1 + floor));
  const isWithin = !cell.why && step.low !== null && step.low >= 1 / (1 + floor) && step.high <= 1 + floor;
  const note = cell.why ? `not comparable${cell.why === how.why ? "" : `: ${cell.why}`}` : isApart ? "beyond the noise floor" : isWithin ? "within the noise floor" : "";
  const texts = [significant(cell.a_ns / 1e3), significant(cell.b_ns / 1e3), shown(step), "", shown(cell.first), note];
  const made = element("tr", "", isApart ? { class: "apart" } : {});
  made.append(element("th", cell.what, { scope: "row" }));
  texts.forEach((text, at) => made.append(element("td", text, { "data-label": HEADINGS[at + 1], ...(at < 2 ? { class: "number" } : {}) })));
  made.cells[4].append(forest(step, floor));
  return made;
}

function table(cells, how) {
  const box = element("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table: ratios" });
  const made = element("table");
  const head = made.createTHead().insertRow();
  HEADINGS.forEach((text, at) => head.append(element("th", text, { scope: "col", ...(at === 1 || at === 2 ? { class: "number" } : {}) })));
  made.createTBody().append(...cells.map(cell => row(cell, how)));
  box.append(made);
  return box;
}

function list(title, items) {
  if (!items.length) return [];
  const made = element("ul");
  made.append(...items.map(item => element("li", item)));
  return [element("h2", title), made];
}

function heading(side, run) {
  const made = element("p");
  made.append(`${side}: `, element("a", run.id, { href: `runs/${run.name}/index.html` }), ` on ${[run.cpu, run.gpu].filter(Boolean).join(", ")}`);
  if (run.is_first_look) made.append(", a first look");
  return made;
}

function comparison(a, b) {
  const heads = [heading("A", a), heading("B", b)];
  if (a.caveat !== b.caveat) {
    const run = a.caveat ? a : b;
    return [...heads, element("p", `${run.id} is not compared with a real run. ${run.caveat}`, { class: "note" })];
  }
  const how = basis(a, b);
  const cells = matched(a, b, how);
  const timed = cells.filter(cell => !cell.missing);
  const parts = [...heads, ...(a.caveat ? [element("p", a.caveat, { class: "note" })] : [])];
  if (!timed.length) parts.push(element("p", "No cell has a valid time on both sides.", { class: "note" }));
  else parts.push(element("p", `Ratios are B / A. ${how.sentence}`), table(timed, how));
  const software = unlike(a, b);
  parts.push(...list("Not the same software, which explains part of the ratios", software));
  parts.push(...list("Not compared", cells.filter(cell => cell.missing).map(cell => `${cell.what}: ${cell.missing}`)));
  if (timed.length) {
    parts.push(element("h2", "The verdicts"), element("p", "Whether B is faster or slower needs a test of all cells together. In the folder of this site:"));
    parts.push(element("pre", `samestep compare runs/${a.name} runs/${b.name}`, { tabindex: "0" }));
  }
  return parts;
}

async function show() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const names = SITE.runs.map(run => run.name);
  const [a, b] = ["a", "b"].map(side => (names.includes(asked.get(side)) ? asked.get(side) : ""));
  const [selectA, selectB] = ["a", "b"].map(side => document.querySelector(`#choose [name=${side}]`));
  [selectA.value, selectB.value] = [a, b];
  const compared = document.getElementById("compared");
  const unknown = ["a", "b"].filter(side => asked.get(side) && !names.includes(asked.get(side)));
  if (unknown.length) compared.replaceChildren(element("p", `There is no run ${asked.get(unknown[0])} in this site.`, { class: "note" }));
  else if (!a || !b) compared.replaceChildren(element("p", "Choose two runs."));
  else if (a === b) compared.replaceChildren(element("p", "A and B are the same run: choose another one.", { class: "note" }));
  else {
    try {
      const runs = await Promise.all([load(a), load(b)]);
      compared.replaceChildren(...comparison(...runs));
    } catch (error) {
      compared.replaceChildren(element("p", `The data of a run cannot be loaded: ${error.message}`, { class: "note" }));
    }
  }
}

(() => {
  const form = document.getElementById("choose");
  const [a, b] = ["a", "b"].map(side => form.querySelector(`[name=${side}]`));
  for (const select of [a, b]) {
    select.append(new Option("choose a run", ""), ...SITE.runs.map(run => new Option(`${run.at} ${run.id}`, run.name)));
    select.addEventListener("change", () => go(a.value, b.value));
  }
  const go = (first, second) => {
    location.hash = new URLSearchParams({ a: first, b: second }).toString();
  };
  document.getElementById("swap").addEventListener("click", () => go(b.value, a.value));
  addEventListener("hashchange", show);
  form.hidden = false;
  show();
})();
