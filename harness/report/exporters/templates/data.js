// The data that the page brings: its cells, the order of its matrix, and which row of which table belongs to which cell.
"use strict";
const json = (id) => JSON.parse(document.getElementById(id)?.textContent || "null");
const DATA = json("data");
const CELLS = DATA.cells.map((values) => {
  const cell = Object.fromEntries(DATA.keys.map((key, at) => [key, values[at]]));
  cell.words = [cell.title, cell.framework, cell.mode, ...DATA.work.map((key) => cell[key]), cell.status, cell.reason]
    .join(" ")
    .toLowerCase();
  return cell;
});
const MATRIX = DATA.matrix;
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
