// Episodes and accounts as lists.

import { accountHref, h, pill, table } from "./dom.js";
import { episodeColumns } from "./overview.js";

const PHASES = [["", "All"], ["open", "Open"], ["recovered", "Recovered"], ["ended", "Ended otherwise"], ["held_out", "Held out"]];
const BANDS = [["", "All"], ["critical", "Critical"], ["at_risk", "At risk"], ["watch", "On watch"], ["healthy", "Healthy"], ["unknown", "Unknown"]];

function tabs(label, choices, chosen, href) {
  return h("nav", { class: "tabs", "aria-label": label }, choices.map(([code, text]) =>
    h("a", { href: href(code), "data-key": `t${code}`, "aria-current": code === chosen ? "true" : null }, text)));
}

function shown(rows, total, what) {
  return h("p", { class: "note" }, rows.length < total ? `The first ${rows.length} of ${total} ${what}.` : `${total} ${what}.`);
}

/** The list of episodes. */
export function episodes(data, query) {
  const state = query.get("state") || "";
  return [
    h("h1", {}, "Episodes"),
    tabs("State", PHASES, state, (code) => (code ? `#/episodes?state=${code}` : "#/episodes")),
    h("section", { class: "panel" },
      data.episodes.length ? table("Episodes, the newest first", episodeColumns(false), data.episodes)
        : h("p", { class: "empty" }, state === "open" ? "No open episodes." : "No episodes here."),
      data.episodes.length > 0 && shown(data.episodes, data.total, "episodes")),
  ];
}

function trend(points) {
  if (points === null) return "–";
  if (Math.abs(points) < 1) return "steady";
  return `${points > 0 ? "+" : "−"}${Math.abs(points).toFixed(0)} a week`;
}

/** The list of accounts. */
export function accounts(data, query) {
  const band = query.get("band") || "", q = query.get("q") || "";
  const href = (code) => `#/accounts?${new URLSearchParams({ ...(q && { q }), ...(code && { band: code }) })}`;
  return [
    h("h1", {}, q ? `Accounts with “${q}”` : "Accounts"),
    tabs("Band", BANDS, band, href),
    h("section", { class: "panel" },
      data.accounts.length ? table("Accounts, the lowest score first", [
        ["Account", (a) => h("a", { href: accountHref(a.account_id), "data-key": `a${a.account_id}` }, a.account_id), "col-account"],
        ["Health", (a) => (a.score === null ? "–" : a.score.toFixed(0)), "number"],
        ["Band", (a) => pill(a.band_text, a.band), ""],
        ["Trend", (a) => trend(a.trend), ""],
        ["Segment", (a) => a.segment || "–", ""],
        ["Open episodes", (a) => a.open, "number"],
        ["All episodes", (a) => a.episodes, "number"],
      ], data.accounts) : h("p", { class: "empty" }, q || band ? "No account matches." : "No accounts yet."),
      data.accounts.length > 0 && shown(data.accounts, data.total, "accounts")),
  ];
}
