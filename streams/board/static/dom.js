// Builds elements. What comes from records only ever becomes text, so no record can become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** An element; attributes that are functions are event listeners. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Width as a share of the parent; set by the object model, because the page's policy forbids style attributes. */
export function wide(node, share, property = "width") {
  node.style[property] = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return node;
}

/** The page of an account. */
export function accountHref(id) {
  return `#/account/${encodeURIComponent(id)}`;
}

/** The page of an account, at one of its episodes. */
export function episodeHref(account, episode) {
  return `${accountHref(account)}?episode=${encodeURIComponent(episode)}`;
}

/** 64 % of a share, or a dash. */
export function percent(share) {
  return share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`;
}

/** ISO time in UTC to the minute. */
export function minute(ms) {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}

/** A word in the colour of a band, a phase or a grade. */
export function pill(text, kind) {
  return h("span", { class: `pill ${kind}` }, text);
}

/** A table whose rows become cards on a narrow screen. Columns are [title, cell(row), class]. */
export function table(caption, columns, rows) {
  return h("table", {},
    h("caption", { class: "sr" }, caption),
    h("thead", {}, h("tr", {}, columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, columns.map(([title, cell, kind]) =>
      h("td", { "data-label": title, class: kind }, cell(row)))))));
}

/** Labelled bars for a map of counts. `label` and `kind` turn a code into words and a colour. */
export function bars(counts, label, kind = () => "") {
  const entries = Object.entries(counts);
  const most = Math.max(1, ...entries.map(([, count]) => count));
  return h("ul", { class: "bars" }, entries.map(([code, count]) => h("li", {},
    h("span", { class: "bar-label" }, label(code)),
    h("span", { class: "bar-track", "aria-hidden": "true" }, wide(h("span", { class: `bar ${kind(code)}` }), count / most)),
    h("span", { class: "bar-count" }, count.toLocaleString("en")))));
}
