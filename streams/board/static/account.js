// One account: why its health is what it is, what happened, what was done.

import { chart } from "./chart.js";
import { h, minute, percent, pill, wide } from "./dom.js";

const STORY_KINDS = { health: "Health", opened: "Opened", step: "Step", outcome: "Outcome", suppressed: "Held back", waiting: "Now" };

function head(a) {
  const score = a.score === null ? "–" : a.score.toFixed(0);
  return h("div", { class: "head" },
    h("div", { class: `score ${a.band}` }, h("span", { class: "score-number" }, score), h("span", { class: "score-of" }, "of 100")),
    h("div", {},
      h("h1", {}, a.account_id),
      h("p", {}, pill(a.band_text, a.band), " ",
        [a.segment, a.value_text && `${a.value_text} a year`, !a.covered && "no profile known"].filter(Boolean).join(" · "))));
}

function dimensions(row) {
  return h("ul", { class: "bars" }, row.dimensions.map((d) => h("li", {},
    h("span", { class: "bar-label" }, d.name),
    h("span", { class: "bar-track", "aria-hidden": "true" }, d.score !== null && wide(h("span", { class: "bar" }), d.score / 100)),
    h("span", { class: "bar-count", title: `confidence ${percent(d.confidence)}, weight ${percent(d.weight)}` },
      d.score === null ? "unknown" : d.score.toFixed(0)))));
}

function contributions(addends) {
  const most = Math.max(0.1, ...addends.map((a) => Math.abs(a.points)));
  const ordered = addends.filter((a) => Math.abs(a.points) >= 0.05).sort((a, b) => Math.abs(b.points) - Math.abs(a.points)).slice(0, 12);
  return h("ul", { class: "bars moves" }, ordered.map((a) => h("li", {},
    h("span", { class: "bar-label" }, a.name.replaceAll("_", " "), " ", h("span", { class: "note" }, a.dimension)),
    h("span", { class: "bar-track", "aria-hidden": "true" },
      wide(h("span", { class: `bar ${a.points < 0 ? "down" : "up"}` }), Math.abs(a.points) / most / 2)),
    h("span", { class: "bar-count" }, `${a.points < 0 ? "−" : "+"}${Math.abs(a.points).toFixed(1)}`))));
}

function reasons(a) {
  if (!a.health) return null;
  const moved = a.health.since_band_change.length ? a.health.since_band_change : a.health.last_change;
  const total = moved.reduce((sum, addend) => sum + addend.points, 0);
  return h("div", { class: "columns" },
    h("section", { class: "panel" }, h("h2", {}, "Health by area"), dimensions(a.health),
      h("p", { class: "note" }, `Confidence ${percent(a.health.confidence)}. Policy ${a.health.policy_version}.`)),
    h("section", { class: "panel" }, h("h2", {}, "What moved the score"),
      moved.length ? [h("p", { class: "note" },
        `${total < 0 ? "−" : "+"}${Math.abs(total).toFixed(1)} points ${moved === a.health.last_change ? "at the last change" : "since the band last changed"}.`),
        contributions(moved)] : h("p", { class: "empty" }, "Nothing has moved it since its band last changed.")));
}

// The newest on top. With `short` only what an episode of its own tells in full is left out.
function story(lines, short = false) {
  return h("ol", { class: "story" }, [...lines].reverse().map((line) => {
    const details = short && line.intervention_id ? [] : line.details;
    return h("li", { class: line.kind },
      h("time", { datetime: line.time }, minute(line.at)),
      h("span", { class: "kind" }, STORY_KINDS[line.kind] || line.kind),
      h("div", {}, h("p", {}, line.text), details.length > 0 && h("p", { class: "note" }, details.join(" "))));
  }));
}

function fact(name, value) {
  return value === null || value === undefined || value === "" ? null : [h("dt", {}, name), h("dd", {}, value)];
}

function episode(e, open) {
  const p = e.prescribed;
  return h("details", { class: "panel episode", id: `e-${e.intervention_id}`, "data-key": `d${e.intervention_id}`, open },
    h("summary", {}, pill(e.state_text, e.phase), " ", e.text, h("span", { class: "note" }, ` opened ${minute(e.opened_at)}, ${e.phase === "open" ? "open for" : "lasted"} ${e.open_for}`)),
    p && h("dl", { class: "facts" },
      fact("Prescribed", `${p.action_text}, by ${p.channel.replaceAll("_", " ")}`),
      fact("For the user", p.for_user), fact("For the executive", p.for_executive),
      fact("Succeeds when", p.success), fact("Owner", e.owner || "nobody yet"),
      fact("Answer so far", e.grade === null ? null : `${e.grade_text} (${e.grade} of 4)`),
      fact("Known already", e.context.join("; "))),
    story(e.story));
}

/** The page of an account. `chosen` is the episode to show, `jump` opens one. */
export function account(a, chosen, width, jump) {
  const outcome = (e) => e.records.findLast((record) => record.recovered_at)?.recovered_at || null;
  const marks = a.episodes_full.map((e) => ({ ...e, recovered_at: outcome(e) }));
  return [
    head(a),
    h("section", { class: "panel" }, h("h2", {}, "In short"), a.summary.map((text) => h("p", {}, text))),
    h("section", { class: "panel" }, h("h2", {}, "Health over time"), chart(a.history, marks, a.stream_time, width, jump)),
    reasons(a),
    h("section", { id: "episodes" }, h("h2", {}, "Episodes"),
      a.episodes_full.length ? a.episodes_full.map((e) => episode(e, e.intervention_id === chosen || (!chosen && e.phase === "open")))
        : h("p", { class: "empty" }, "No episodes: this account has not dropped.")),
    h("section", { class: "panel" }, h("h2", {}, "Everything that happened"),
      a.story.length ? story(a.story, true) : h("p", { class: "empty" }, "Nothing yet.")),
  ];
}
