// Health over time with the interventions marked on it, as SVG.

import { h, minute, s } from "./dom.js";

const HEIGHT = 280, LEFT = 34, RIGHT = 14, TOP = 26, BOTTOM = 26;
const DAY = 86_400_000;

/** Times at which the axis is labelled: whole days, or hours when all happened within two days. */
function ticks(from, to, most) {
  const steps = [1 / 24, 3 / 24, 6 / 24, 12 / 24, 1, 2, 7, 14, 30, 90, 365].map((days) => days * DAY);
  const step = steps.find((size) => (to - from) / size <= most) || steps.at(-1);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return { found, label: (at) => (step < DAY ? minute(at).slice(5) : minute(at).slice(0, 10)) };
}

/** Runs of known points; an unknown score is a gap, never a line. Each run goes on to the first point of the next band. */
function runs(points) {
  const found = [];
  let run = null;
  for (const point of points) {
    if (point.score === null) { run = null; continue; }
    if (run === null || run.band !== point.band) {
      if (run !== null) run.points.push(point);
      run = { band: point.band, points: [] };
      found.push(run);
    }
    run.points.push(point);
  }
  return found;
}

function describe(points, episodes) {
  const known = points.filter((point) => point.score !== null);
  if (!known.length) return "Health over time: not known yet.";
  const scores = known.map((point) => point.score);
  return `Health over time from ${minute(points[0].at)} to ${minute(points.at(-1).at)} UTC: ` +
    `now ${known.at(-1).score.toFixed(0)}, lowest ${Math.min(...scores).toFixed(0)}, highest ${Math.max(...scores).toFixed(0)}, ` +
    `${episodes.length} interventions. The arrow keys move along it.`;
}

/** The chart of an account, as wide as it is told. */
export function chart(points, episodes, now, width, jump) {
  if (!points.length) return h("p", { class: "empty" }, "No health has been computed yet.");
  const starts = episodes.map((episode) => episode.opened_at);
  const from = Math.min(points[0].at, ...starts);
  const to = Math.max(points.at(-1).at, now, ...starts, from + 1);
  const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT - RIGHT);
  const y = (score) => TOP + (1 - score / 100) * (HEIGHT - TOP - BOTTOM);
  const bottom = y(0);
  const axis = ticks(from, to, Math.max(2, Math.floor((width - LEFT) / 110)));

  const cursor = s("g", { class: "cursor", visibility: "hidden" }, s("line", { y1: TOP, y2: bottom }), s("circle", { r: 4.5 }));
  const readout = h("p", { class: "readout", "aria-live": "polite" }, "\u00a0");
  let index = points.length - 1;
  const show = (at) => {
    index = Math.max(0, Math.min(points.length - 1, at));
    const point = points[index], known = point.score !== null;
    cursor.setAttribute("visibility", "visible");
    cursor.firstChild.setAttribute("x1", x(point.at));
    cursor.firstChild.setAttribute("x2", x(point.at));
    cursor.lastChild.setAttribute("cx", x(point.at));
    cursor.lastChild.setAttribute("cy", known ? y(point.score) : bottom);
    readout.textContent = `${minute(point.at)} UTC: ${known ? point.score.toFixed(1) : "unknown"}, ${point.band.replace("_", " ")}`;
  };
  const hide = () => { cursor.setAttribute("visibility", "hidden"); readout.textContent = "\u00a0"; };
  const nearest = (event) => {
    const at = from + ((event.offsetX - LEFT) / (width - LEFT - RIGHT)) * (to - from);
    let best = 0;
    points.forEach((point, i) => { if (Math.abs(point.at - at) < Math.abs(points[best].at - at)) best = i; });
    show(best);
  };
  const keys = (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -points.length, End: points.length }[event.key];
    if (move) { event.preventDefault(); show(index + move); }
  };

  const svg = s("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", tabindex: 0, "data-key": "chart",
    "aria-label": describe(points, episodes), pointermove: nearest, pointerleave: hide, blur: hide, keydown: keys,
    focus: () => show(index),
  },
    [0, 25, 50, 75, 100].map((score) => [
      s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(score), y2: y(score) }),
      s("text", { class: "axis", x: LEFT - 6, y: y(score) + 4, "text-anchor": "end" }, score)]),
    axis.found.map((at) => [
      s("line", { class: "grid", x1: x(at), x2: x(at), y1: bottom, y2: bottom + 4 }),
      s("text", { class: "axis", x: Math.min(Math.max(x(at), LEFT + 26), width - 40), y: bottom + 18, "text-anchor": "middle" }, axis.label(at))]),
    episodes.map((episode) => s("rect", {
      class: `span ${episode.phase}`, x: x(episode.opened_at), y: TOP, height: bottom - TOP,
      width: Math.max(1, x(Math.min(episode.onset_at + episode.open_for_ms, to)) - x(episode.opened_at)),
    })),
    runs(points).map((run) => run.points.length === 1
      ? s("circle", { class: `dot ${run.band}`, cx: x(run.points[0].at), cy: y(run.points[0].score), r: 3 })
      : s("polyline", { class: `line ${run.band}`, points: run.points.map((point) => `${x(point.at).toFixed(1)},${y(point.score).toFixed(1)}`).join(" ") })),
    cursor,
    episodes.map((episode) => mark(episode, x(episode.opened_at), bottom, jump)),
    episodes.filter((episode) => episode.recovered_at).map((episode) =>
      s("g", { class: "mark recovered" }, s("title", {}, `Recovered ${minute(episode.recovered_at)} UTC`),
        s("line", { x1: x(episode.recovered_at), x2: x(episode.recovered_at), y1: TOP - 4, y2: bottom }),
        s("circle", { cx: x(episode.recovered_at), cy: TOP - 10, r: 5.5 }))));
  return h("div", { class: "chart" }, svg, readout, legend());
}

function mark(episode, at, bottom, jump) {
  return s("g", { class: "mark opened", role: "button", tabindex: 0, "data-key": `m${episode.intervention_id}`,
    "aria-label": `Intervention opened ${minute(episode.opened_at)} UTC: ${episode.text}`,
    click: () => jump(episode.intervention_id),
    keydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); jump(episode.intervention_id); } } },
    s("title", {}, `${minute(episode.opened_at)} UTC: ${episode.text}`),
    s("line", { x1: at, x2: at, y1: TOP - 4, y2: bottom }),
    s("path", { d: `M${at - 6.5} ${TOP - 17}h13l-6.5 12z` }));
}

function legend() {
  return h("p", { class: "legend note", "aria-hidden": "true" },
    s("svg", { width: 14, height: 12, class: "mark opened" }, s("path", { d: "M0.5 0.5h13l-6.5 11z" })), " intervention opened   ",
    s("svg", { width: 12, height: 12, class: "mark recovered" }, s("circle", { cx: 6, cy: 6, r: 5.5 })), " recovered");
}
