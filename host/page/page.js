"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const page = document.getElementById("page");

/* ---- text of numbers ---- */
const known = v => v !== null && v !== undefined && Number.isFinite(v);
// No "-0.0": what rounds to zero has no sign.
const number = (v, digits = 2) => known(v) ? v.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace(/^-(?=[0.,]*$)/, "") : "–";
const percent = (v, digits = 1) => known(v) ? number(100 * v, digits) + " %" : "–";
const whole = v => known(v) ? Math.round(v).toLocaleString("en") : "–";
const plural = (n, word) => `${whole(n)} ${word}${n === 1 ? "" : "s"}`;

/* ---- elements: text becomes text nodes, never markup ---- */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const child of children) node.append(child);
  return node;
}
function card(title, note, ...children) {
  const node = element("section", { class: "card" });
  if (title) node.append(element("h2", {}, title));
  if (note) node.append(element("p", { class: "note" }, note));
  node.append(...children);
  return node;
}
const cell = (content, kind = "") => element("td", kind ? { class: kind } : {}, content);
const chip = (kind, text) => element("span", { class: `chip ${kind}` }, text);
// A head is a text, or a text and a class. What is no cell becomes one; the first of a row its head. The caption stays where a wide table scrolls.
function table(heads, rows, caption = "") {
  const body = element("tbody");
  for (const row of rows) {
    body.append(element("tr", {}, ...row.map((item, i) => item instanceof Element && /^T[DH]$/.test(item.tagName) ? item : i ? cell(item) : element("th", { scope: "row" }, item))));
  }
  const top = element("thead", {}, element("tr", {}, ...heads.map(head => {
    const [text, kind] = Array.isArray(head) ? head : [head];
    return element("th", kind ? { scope: "col", class: kind } : { scope: "col" }, text);
  })));
  const label = { "aria-label": caption || "table" }, node = element("table", label, top, body);
  return element("figure", {}, ...(caption ? [element("figcaption", {}, caption)] : []), element("div", { class: "scroll", tabindex: "0", role: "region", ...label }, node));
}
const tiles = items => element("div", { class: "tiles" }, ...items.map(([name, value, more, kind]) => element("div", { class: "tile" },
  element("div", { class: "name" }, name), element("div", { class: `value ${kind || ""}` }, value), element("div", { class: "more" }, more || ""))));

/* ---- charts: made again when the theme changes, since a canvas does not follow CSS ---- */
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const charts = [];
let ready = false; // the page is whole: charts can be drawn
function chart(describe, label, kind = "") {
  const canvas = element("canvas", { role: "img", "aria-label": label });
  charts.push({ canvas, describe, drawn: null });
  return element("div", { class: `chart ${kind}` }, canvas);
}
function drawAll() {
  for (const c of charts) {
    if (c.drawn) c.drawn.destroy();
    c.drawn = null;
  }
  drawNew();
}
function drawNew() {
  if (!ready) return;
  Chart.defaults.color = css("--soft");
  Chart.defaults.borderColor = css("--line");
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  for (const c of charts) c.drawn ||= new Chart(c.canvas, c.describe());
}
// Before the charts inside an element are replaced.
function forget(box) {
  for (let i = charts.length - 1; i >= 0; --i) {
    if (!box.contains(charts[i].canvas)) continue;
    if (charts[i].drawn) charts[i].drawn.destroy();
    charts.splice(i, 1);
  }
}
function points(x, y) {
  const out = [];
  for (let i = 0; i < x.length; ++i) if (known(y[i])) out.push({ x: x[i], y: y[i] });
  return out;
}

/* ---- theme; paper is light ---- */
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
const themeButton = element("button", { type: "button" });
let theme = prefersDark.matches ? "dark" : "light";
function showTheme(shown) {
  ready = true;
  document.documentElement.dataset.theme = shown;
  themeButton.textContent = shown === "dark" ? "Light" : "Dark";
  drawAll();
}
themeButton.addEventListener("click", () => { theme = theme === "dark" ? "light" : "dark"; showTheme(theme); });
prefersDark.addEventListener("change", e => { theme = e.matches ? "dark" : "light"; showTheme(theme); });
window.addEventListener("beforeprint", () => showTheme("light"));
window.addEventListener("afterprint", () => showTheme(theme));
const pageHead = (title, sub) => page.append(element("header", {}, element("div", {}, element("h1", {}, title), element("p", { class: "sub" }, sub)), themeButton));
