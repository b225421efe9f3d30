// What a customer-success lead looks at first.

import { accountHref, bars, episodeHref, h, percent, pill, table, wide } from "./dom.js";

function figure(name, value, note) {
  return h("div", { class: "figure" }, h("dt", {}, name), h("dd", {}, value), h("dd", { class: "note" }, note));
}

function figures(f) {
  return h("dl", { class: "figures" },
    figure("Open episodes", f.open.toLocaleString("en"), `${f.value_at_risk_text} a year at stake`),
    figure("Back on track", percent(f.back_on_track_share), `${f.back_on_track} of ${f.settled} settled`),
    figure("Median time to recovery", f.median_time_to_recovery || "–", "from the first sign"),
    figure("Recovered unchased", percent(f.unchased_share), "the customer never had to ask"),
    figure("Relapsed", f.relapsed.toLocaleString("en"), "same episode, open again"),
    figure("Coverage", percent(f.coverage), `${f.covered.toLocaleString("en")} of ${f.accounts.toLocaleString("en")} accounts`));
}

/** Columns of a list of episodes; those of open ones carry urgency. */
export function episodeColumns(withUrgency) {
  const urgency = ["Urgency", (e) => h("span", { class: "urgency", title: "severity × value a year × time open" },
    h("span", { class: "bar-track", "aria-hidden": "true" }, wide(h("span", { class: "bar hot" }), e.urgency_share)),
    h("span", { class: "sr" }, percent(e.urgency_share), " of the highest")), "col-urgency"];
  return [
    ...(withUrgency ? [urgency] : []),
    ["Account", (e) => h("a", { href: accountHref(e.account_id), "data-key": `a${e.intervention_id}` }, e.account_id), "col-account"],
    ["What happened", (e) => h("a", { class: "quiet", href: episodeHref(e.account_id, e.intervention_id), "data-key": `e${e.intervention_id}` }, e.text), "col-what"],
    ["Severity", (e) => e.severity_text, ""],
    ["State", (e) => pill(e.state_text, e.phase), ""],
    ["Value a year", (e) => e.value_text || "unknown", "number"],
    [withUrgency ? "Open for" : "Lasted", (e) => e.open_for, "number"],
    ["Owner", (e) => e.owner || h("span", { class: "missing" }, "nobody"), "col-owner"],
    ["Answer", (e) => (e.grade === null ? "–" : `${e.grade_text} (${e.grade})`), ""],
    ["Chases", (e) => e.chases, "number"],
  ];
}

function panel(title, ...children) {
  return h("section", { class: "panel" }, h("h2", {}, title), ...children);
}

const none = (text) => h("p", { class: "empty" }, text);

/** The overview page. */
export function overview(data) {
  const { figures: f, urgent, words } = data;
  const suppressed = Object.values(f.suppressed).some((count) => count > 0);
  return [
    h("h1", { class: "sr" }, "Overview"),
    figures(f),
    h("section", { class: "panel" },
      h("h2", {}, "Open episodes, most urgent first"),
      urgent.length
        ? table("Open episodes by urgency", episodeColumns(true), urgent)
        : none(f.episodes ? "No open episodes. Every account that dropped has been dealt with." : "No open episodes."),
      f.open > urgent.length && h("p", { class: "note" }, `${urgent.length} of ${f.open} are shown. `, h("a", { href: "#/episodes?state=open" }, "See more"))),
    h("div", { class: "columns" },
      panel("Accounts by health", bars(f.bands, (code) => h("a", { href: `#/accounts?band=${code}`, "data-key": `b${code}` }, words.bands[code] || code), (code) => code)),
      panel("How drops were answered",
        h("p", { class: "note" }, "Graded from what was done, never from how kind it sounded."),
        bars(f.grades, (code) => `${code} ${words.grades[code] || ""}`, (code) => `grade${code}`)),
      panel("Why accounts dropped", Object.keys(f.by_kind).length
        ? bars(f.by_kind, (code) => `${words.kinds[code] || code}`) : none("No drops yet.")),
      panel("Held back, and why", suppressed
        ? bars(f.suppressed, (code) => words.suppressed[code] || code) : none("Nothing was held back."))),
  ];
}
