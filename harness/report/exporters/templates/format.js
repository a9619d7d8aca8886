// Numbers as text, exactly as harness/format.py writes them into the page. A test holds the two together.
const NONE = "–";

// Three significant digits. Python rounds what lies just between two of them to the even one.
function threeDigits(value) {
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 2);
  const below = Math.floor(value / unit);
  if (unit > 1 && value / unit - below === 0.5) return (below + (below % 2)) * unit;
  return Number(value.toPrecision(3));
}

function significant(value) {
  if (value === 0) return "0";
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(threeDigits(value)))));
  const rounded = decimals ? Number(value.toFixed(decimals)) : threeDigits(value);
  return rounded.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

function duration(ns) {
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
    if (ns >= size) return `${significant(ns / size)} ${unit}`;
  }
  return `${significant(ns)} ns`;
}

const rounded = (value) =>
  typeof value === "number" ? threeDigits(value).toLocaleString("en-US", { maximumFractionDigits: 0 }) : value;
const times = (ratio) => (ratio === 1 ? "1×" : `${significant(ratio)}×`);
const mebibytes = (bytes) => `${significant(bytes / 2 ** 20)} MiB`;

// What a field can show of a cell: its value, the ends of its interval, its text, and its name in a sentence.
const MEASURES = {
  step: { get: (cell) => cell.step_ns, ends: (cell) => [cell.low_ns, cell.high_ns], text: duration, name: "step" },
  first: {
    get: (cell) => cell.first_step_ns,
    ends: (cell) => [cell.first_low_ns, cell.first_high_ns],
    text: duration,
    name: "first step",
  },
  even: { get: (cell) => cell.break_even, text: rounded, name: "break-even", isCount: true },
  memory: { get: (cell) => cell.peak_bytes, text: mebibytes, name: "peak memory" },
  lines: { get: (cell) => DATA.lines[cell.framework] ?? null, text: String, name: "lines of code" },
};
