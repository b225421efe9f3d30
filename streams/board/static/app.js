// Routes by hash, polls the API, and draws again only what has changed.

import { account } from "./account.js";
import { h } from "./dom.js";
import { accounts, episodes } from "./lists.js";
import { overview } from "./overview.js";

const POLL_MS = 2000;
const main = document.getElementById("main");
const status = document.getElementById("status");
// What moves with every answer and changes nothing on the page.
const CLOCK = ["wall_time", "wall", "behind", "taken", "unreadable", "duplicates", "trouble", "ready"];

let timer = 0, round = 0, drawn = "", answer = null;

function route() {
  const [path, query] = location.hash.replace(/^#/, "").split("?", 2);
  const [, page = "", id = ""] = (path || "/").split("/");
  return { page: page || "overview", id, query: new URLSearchParams(query || "") };
}

const PAGES = {
  overview: { nav: "overview", title: "Overview", url: () => "api/overview?limit=15", draw: (data) => overview(data) },
  episodes: { nav: "episodes", title: "Episodes", url: (r) => `api/episodes?${pick(r.query, ["state"])}`, draw: (data, r) => episodes(data, r.query) },
  accounts: { nav: "accounts", title: "Accounts", url: (r) => `api/accounts?${pick(r.query, ["q", "band"])}`, draw: (data, r) => accounts(data, r.query) },
  account: {
    nav: "accounts", title: "Account", url: (r) => `api/accounts/${r.id}`,
    draw: (data, r) => account(data, r.query.get("episode"), main.clientWidth - 34, jump),
  },
};

function pick(query, names) {
  const kept = new URLSearchParams({ limit: "200" });
  for (const name of names) if (query.get(name)) kept.set(name, query.get(name));
  return kept;
}

function jump(id) {
  const found = document.getElementById(`e-${id}`);
  if (!found) return;
  found.open = true;
  found.scrollIntoView({ block: "start" });
  found.querySelector("summary").focus({ preventScroll: true });
}

function replace(nodes) {
  const key = document.activeElement?.dataset?.key;
  const open = new Map([...main.querySelectorAll("details")].map((node) => [node.dataset.key, node.open]));
  main.replaceChildren(...nodes.filter(Boolean));
  for (const node of main.querySelectorAll("details")) if (open.has(node.dataset.key)) node.open = open.get(node.dataset.key);
  if (key) main.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

function draw(fresh) {
  const r = route(), page = PAGES[r.page];
  replace(page.draw(answer, r).flat());
  if (fresh && r.query.get("episode")) jump(r.query.get("episode"));
}

function tell(data) {
  const parts = [];
  if (data.trouble) parts.push(`Not up to date: ${data.trouble}`);
  else if (!data.ready) parts.push("Catching up with the topics…");
  if (data.stream) parts.push(`Newest event ${data.stream}`, `now ${data.wall}`);
  else parts.push("No records yet");
  if (data.unreadable) parts.push(`${data.unreadable} unreadable records`);
  const text = parts.join(" · ");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("bad", Boolean(data.trouble));
}

async function refresh(fresh = false) {
  clearTimeout(timer);
  const mine = ++round, r = route(), page = PAGES[r.page];
  try {
    if (!page) throw new Error("There is no such page.");
    const response = await fetch(page.url(r), { headers: { Accept: "application/json" } });
    const data = await response.json();
    if (mine !== round) return;
    if (!response.ok) throw new Error(response.status === 404 ? "There is no such account (any more)." : data.error);
    tell(data);
    const told = JSON.stringify(data, (key, value) => (CLOCK.includes(key) ? undefined : value));
    if (fresh || told !== drawn) {
      drawn = told;
      answer = data;
      draw(fresh);
    }
  } catch (error) {
    if (mine !== round) return;
    const lost = error instanceof TypeError;
    status.textContent = lost ? "The board does not answer; trying again." : "";
    status.classList.toggle("bad", lost);
    // What was drawn stays: old figures, marked as such, beat an empty page.
    if (!lost || fresh) {
      drawn = "";
      replace([h("p", { class: "empty" }, lost ? "The board does not answer." : error.message)]);
    }
  } finally {
    if (mine === round) timer = setTimeout(refresh, POLL_MS);
  }
}

function go() {
  const r = route(), page = PAGES[r.page];
  for (const link of document.querySelectorAll("header nav a")) {
    if (page && link.dataset.page === page.nav) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${page ? page.title : "Not found"} · Back on Track`;
  main.replaceChildren(h("p", { class: "empty" }, "Loading…"));
  if (!r.query.get("episode")) window.scrollTo(0, 0);
  refresh(true);
}

window.addEventListener("hashchange", go);
window.addEventListener("resize", () => { if (answer && route().page === "account") draw(false); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const q = new FormData(event.target).get("q").trim();
  location.hash = q ? `#/accounts?${new URLSearchParams({ q })}` : "#/accounts";
});
go();
