// The page: a day's chatters and totals, reported figures that differ, and the files. It loads them once, and again whenever the
// live stream tells that they have changed. Everything is set as text, so no name can become markup.

import { signedOut, whoAmI } from "./account.js";
import * as show from "./format.js";
import { renderFiles } from "./files.js";
import { renderReconciliation } from "./reconciliation.js";
import { watchTasks } from "./tasks.js";
import { takeUploads } from "./uploads.js";

const $ = (id) => document.getElementById(id);
const API = "/api/v1";

// ---- What is shown ------------------------------------------------------------------------------------------------

const COLUMNS = [
  { key: "chatter", label: "Chatter", text: true },
  { key: "creator", label: "Creator", text: true },
  { key: "messages_sent", label: "Messages", show: show.count, hint: "Direct messages; mass messages are left out" },
  { key: "ppvs_sent", label: "PPVs sent", show: show.count, hint: "Direct messages with a price" },
  { key: "ppvs_unlocked", label: "Unlocked", show: show.count, hint: "PPVs that the fan bought" },
  { key: "unlock_rate", label: "Unlock rate", show: show.ratio, hint: "Unlocked of PPVs sent" },
  { key: "ppv_sales_cents", label: "PPV sales", show: show.cents, hint: "Prices of the unlocked PPVs" },
  { key: "sales_net_cents", label: "Net sales", show: show.cents, hint: "Sales after the platform's share; reversed ones are left out", bar: true },
  { key: "fans_chatted", label: "Fans", show: show.count, hint: "Fans messaged" },
  { key: "fan_cvr", label: "Fan CVR", show: show.ratio, hint: "Fans with an unlocked PPV of fans messaged" },
  { key: "reply_seconds_mean", label: "Reply", show: show.seconds, hint: "Mean time to a reply" },
  { key: "clocked_minutes", label: "Clocked", show: show.minutes, hint: "Hours clocked" },
  { key: "sales_per_hour_cents", label: "Net per hour", show: show.cents, hint: "Net sales over clocked hours" },
];

const asked = new URLSearchParams(location.search);
const state = {
  day: asked.get("day"), // the day asked for; null follows today
  creator: asked.get("creator") ?? "",
  sort: COLUMNS.some((column) => column.key === asked.get("sort")?.replace(/^-/, "")) ? asked.get("sort") : "-sales_net_cents",
  overview: null,
  rows: [],
  files: null,
  ready: undefined, // null when it was asked and not answered
  epoch: 0,
  shown: null, // what the rows shown belong to: a change within it is highlighted
  stream: "wait",
  failure: null,
};

// ---- Asking -------------------------------------------------------------------------------------------------------

async function ask(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  const response = await fetch(`${API}${path}${query.size ? `?${query}` : ""}`, { signal: AbortSignal.timeout(15000) });
  if (response.status === 401) signedOut();
  const body = await response.json();
  if (!response.ok && path !== "/ready") throw new Error(body.detail ?? response.statusText);
  return body;
}

/** Every item of a list, up to five pages. */
async function askAll(path, parameters) {
  const items = [];
  let cursor = null;
  for (let page = 0; page < 5; page += 1) {
    const answer = await ask(path, { ...parameters, limit: "1000", cursor });
    items.push(...answer.items);
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  return items;
}

async function loadFigures() {
  const { day, creator } = state;
  const overview = await ask("/overview", { day, creator });
  const rows = overview.day
    ? await askAll("/chatters/performance", { window: "day", from: overview.day, to: overview.day, creator })
    : [];
  if (day !== state.day || creator !== state.creator) return refresh("figures");
  Object.assign(state, { overview, rows, epoch: Math.max(state.epoch, overview.epoch) });
  renderFigures();
}

async function loadCreators() {
  const creators = await askAll("/creators", {});
  const options = [new Option("All creators", ""), ...creators.map((one) => new Option(one.creator, one.creator_id))];
  // One that is not listed any more, or that an address names by its name, stays chosen.
  if (state.creator && !creators.some((one) => one.creator_id === state.creator)) {
    options.push(new Option(state.creator, state.creator));
  }
  $("creator").replaceChildren(...options);
  $("creator").value = state.creator;
}

async function loadFiles() {
  state.files = await askAll("/files", {});
  renderFiles(state.files, $);
}

async function loadReconciliation() {
  const { creator } = state;
  const { items, next_cursor } = await ask("/reconciliation", { creator, limit: "100" });
  if (creator !== state.creator) return refresh("reconciliation");
  renderReconciliation(items, Boolean(next_cursor), $);
}

async function loadReady() {
  // Not ready is an answer too; one without a state is a failure.
  const answer = await ask("/ready").catch(() => null);
  state.ready = answer?.state ? answer : null;
  renderState();
}

const LOADS = {
  figures: loadFigures,
  creators: loadCreators,
  reconciliation: loadReconciliation,
  files: loadFiles,
  ready: loadReady,
};
/** What a part asks for that not everybody may. */
const NEEDS = { files: "files.read" };
let may = [];
const due = new Set();
let working = false;
let last = 0;

/** Loads these parts soon: together, and at most a few times a second however much is committed. */
function refresh(...parts) {
  parts.filter((part) => !NEEDS[part] || may.includes(NEEDS[part])).forEach((part) => due.add(part));
  if (!working) void work();
}

async function work() {
  working = true;
  while (due.size) {
    await pause(Math.max(0, last + 300 - performance.now()));
    const parts = [...due];
    due.clear();
    last = performance.now();
    const results = await Promise.allSettled(parts.map((part) => LOADS[part]()));
    const failed = results.findIndex((result) => result.status === "rejected");
    const failure = failed < 0 ? null : results[failed].reason;
    state.failure = failure && (failure.name === "TypeError" || failure.name === "TimeoutError" ? "The service does not answer" : failure.message);
    renderState();
    if (failure) {
      console.warn(failure);
      results.forEach((result, place) => result.status === "rejected" && due.add(parts[place]));
      await pause(2000);
    }
  }
  working = false;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// ---- The live stream ----------------------------------------------------------------------------------------------

const FIGURES = /^(chatter_|sales_day|hours_day)/;
let wait = 1000;

function follow() {
  const stream = new EventSource(`${API}/live${state.epoch ? `?since=${state.epoch}` : ""}`);
  stream.addEventListener("open", () => {
    wait = 1000;
    setStream("open");
  });
  stream.addEventListener("commit", (event) => {
    const { epoch, views } = JSON.parse(event.data);
    state.epoch = Math.max(state.epoch, epoch);
    const parts = new Set();
    if (views.some((view) => FIGURES.test(view))) parts.add("figures");
    if (views.includes("creators")) parts.add("creators").add("reconciliation");
    if (views.includes("reconciliation_rows")) parts.add("reconciliation");
    if (views.includes("files")) parts.add("files");
    if (parts.size) refresh(...parts);
    renderEpoch();
  });
  stream.addEventListener("reload", (event) => {
    state.epoch = JSON.parse(event.data).epoch;
    refresh(...Object.keys(LOADS));
  });
  stream.addEventListener("error", () => {
    setStream("lost");
    if (stream.readyState !== EventSource.CLOSED) return; // it comes back by itself
    setTimeout(follow, wait);
    wait = Math.min(wait * 2, 15000);
  });
}

function setStream(stream) {
  const back = stream === "open" && state.stream === "lost";
  state.stream = stream;
  if (back) refresh(...Object.keys(LOADS));
  else refresh("ready");
  renderState();
}

// ---- Showing ------------------------------------------------------------------------------------------------------

/** Sets a text; a figure that changes under the reader's eyes is highlighted. */
function put(element, text, highlight) {
  if (element.textContent === text) return;
  element.textContent = text;
  if (highlight) flash(element);
}

function flash(element) {
  element.classList.remove("changed");
  void element.offsetWidth; // begins the animation anew
  element.classList.add("changed");
}

function renderFigures() {
  const { overview } = state;
  const scope = `${overview.day}|${state.creator}`;
  const highlight = state.shown === scope;
  state.shown = scope;
  const time = $("day");
  put(time, overview.day ? show.day(overview.day) : "No day yet");
  if (overview.day) time.dateTime = overview.day;
  $("previous").disabled = !overview.previous_day;
  $("next").disabled = !overview.next_day;
  $("latest").hidden = !state.day;

  const totals = overview.totals ?? {};
  const lines = {
    "total-messages": show.count(totals.messages_sent),
    "aside-messages": overview.totals ? `${show.many(totals.active_chatters, "chatter")} · ${show.count(totals.mass_messages)} mass` : "",
    "total-ppv": show.dollars(totals.ppv_sales_cents),
    "aside-ppv": overview.totals ? `${show.count(totals.ppvs_unlocked)} of ${show.count(totals.ppvs_sent)} unlocked · ${show.ratio(totals.unlock_rate)}` : "",
    "total-net": show.dollars(totals.sales_net_cents),
    "aside-net": overview.totals ? `${show.many(totals.sales_count, "sale")} · ${show.dollars(totals.sales_gross_cents)} gross` : "",
    "total-reply": show.seconds(totals.reply_seconds_mean),
    "aside-reply": overview.totals ? `over ${totals.replies === 1 ? "1 reply" : `${show.count(totals.replies)} replies`}` : "",
  };
  for (const [id, text] of Object.entries(lines)) put($(id), text || "\u00a0", highlight && id.startsWith("total"));
  renderRows(highlight);
  renderEpoch();
  renderState();
}

const rowsShown = new Map(); // by creator and chatter: the row's element, and its cells by column

function renderRows(highlight) {
  const key = state.sort.replace(/^-/, "");
  const direction = state.sort.startsWith("-") ? -1 : 1;
  const unknown = (value) => value === null || value === undefined;
  const sorted = [...state.rows].sort((a, b) => {
    const [x, y] = [a[key], b[key]];
    if (unknown(x) || unknown(y)) return unknown(x) - unknown(y);
    return direction * (typeof x === "string" ? x.localeCompare(y, "en", { sensitivity: "base" }) : x - y);
  });
  const most = Math.max(1, ...state.rows.map((row) => row.sales_net_cents ?? 0));
  const gone = new Set(rowsShown.keys());
  sorted.forEach((row, place) => {
    const id = `${row.creator_id}/${row.chatter_id}`;
    gone.delete(id);
    let shown = rowsShown.get(id);
    if (!shown) {
      shown = newRow();
      rowsShown.set(id, shown);
      if (highlight) flash(shown.element);
    }
    fillRow(shown, row, most, highlight);
    if ($("rows").children[place] !== shown.element) $("rows").insertBefore(shown.element, $("rows").children[place] ?? null);
  });
  for (const id of gone) {
    rowsShown.get(id).element.remove();
    rowsShown.delete(id);
  }
  for (const header of $("head").children) {
    const own = header.dataset.key === key;
    header.setAttribute("aria-sort", own ? (direction < 0 ? "descending" : "ascending") : "none");
  }
  $("sort").value = state.sort;
  const some = state.rows.length > 0;
  $("chatters-count").textContent = some ? show.many(state.rows.length, "row") : "";
  document.querySelector("#chatters .scroll").hidden = !some;
  $("chatters-empty").hidden = some;
  if (!some) renderEmpty();
}

function newRow() {
  const element = document.createElement("tr");
  const cells = {};
  for (const column of COLUMNS) {
    const cell = document.createElement(column.key === "chatter" ? "th" : "td");
    if (column.key === "chatter") cell.scope = "row";
    cell.className = column.text ? `text ${column.key}` : `number ${column.key}`;
    cell.dataset.label = column.label;
    const value = document.createElement("span");
    value.className = "value";
    if (column.key === "chatter") {
      const face = document.createElement("i");
      face.className = "face";
      face.ariaHidden = "true";
      cell.append(face);
      cells.face = face;
    }
    cell.append(value);
    cells[column.key] = value;
    element.append(cell);
  }
  return { element, cells };
}

function fillRow({ element, cells }, row, most, highlight) {
  const nobody = row.chatter === null;
  const name = nobody ? "Unattributed" : row.chatter;
  element.classList.toggle("nobody", nobody);
  put(cells.face, nobody ? "–" : show.initials(name));
  cells.face.style.setProperty("--hue", show.hue(name));
  put(cells.chatter, name);
  put(cells.creator, row.creator ?? "–");
  for (const column of COLUMNS) {
    if (column.show) put(cells[column.key], column.show(row[column.key]), highlight);
    if (column.bar) cells[column.key].parentElement.style.setProperty("--share", `${(100 * Math.max(0, row[column.key] ?? 0)) / most}%`);
  }
}

function renderEmpty() {
  const { overview } = state;
  const [title, text] = !overview?.day
    ? ["No figures yet", "Put an exported workbook into the inbox folder. Its figures show up here as soon as it is read."]
    : ["Nothing on this day", state.creator ? `${$("creator").selectedOptions[0]?.text} has no messages, sales or hours on ${show.day(overview.day)}.` : "There are no messages, sales or hours on this day."];
  const [head, body] = [document.createElement("h3"), document.createElement("p")];
  head.textContent = title;
  body.textContent = text;
  $("chatters-empty").replaceChildren(head, body);
}

function renderState() {
  const { overview, ready } = state;
  const live = $("live");
  let [kind, word] = ["wait", "Connecting"];
  if (state.failure || state.stream === "lost" || ready === null) [kind, word] = ["bad", "Offline"];
  else if (ready && !ready.ready) {
    [kind, word] = ready.state === "hydrating" ? ["wait", `Catching up ${Math.floor(ready.hydration_percent ?? 0)}%`] : ["bad", "Standing still"];
  } else if (ready && state.stream === "open") [kind, word] = ["good", "Live"];
  live.dataset.state = kind;
  put(live.lastElementChild, word);

  const notice = $("notice");
  let text = "";
  if (state.failure) text = `${sentence(state.failure)}. Trying again; the figures below are the last that came.`;
  else if (ready && !ready.ready && ready.detail) text = `${sentence(ready.detail)}.`;
  else if (overview?.day && !state.day && overview.day !== overview.today) {
    text = overview.day < overview.today
      ? `No figures for today (${show.day(overview.today)}) yet. This is the latest day that has any.`
      : `No figures for today (${show.day(overview.today)}) or before. This is the first day that has any.`;
  }
  notice.classList.toggle("bad", Boolean(state.failure) || Boolean(ready && !ready.ready && ready.state !== "hydrating"));
  put(notice, text);
  notice.hidden = !text;
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function renderEpoch() {
  const zone = state.overview?.reporting_tz;
  const when = state.epoch ? `Figures as of ${new Date(state.epoch).toLocaleString("en-US", { dateStyle: "medium", timeStyle: "medium" })}` : "";
  $("epoch").textContent = [when, zone && `days are cut in ${zone}`].filter(Boolean).join(" · ");
}

// ---- The reader's wishes ------------------------------------------------------------------------------------------

function remember() {
  const query = new URLSearchParams();
  if (state.day) query.set("day", state.day);
  if (state.creator) query.set("creator", state.creator);
  if (state.sort !== "-sales_net_cents") query.set("sort", state.sort);
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
}

function go(day) {
  state.day = day;
  remember();
  refresh("figures");
}

function sortBy(sort) {
  state.sort = sort;
  remember();
  renderRows(false);
}

async function begin() {
  const me = await whoAmI().catch((failure) => failure);
  if (!me) return;
  if (me instanceof Error) {
    console.warn(me);
    state.failure = me.message;
    renderState();
    await pause(2000);
    return void begin();
  }
  may = me.permissions;
  state.failure = null;
  if (may.includes("ops.read")) watchTasks();
  if (may.includes("files.write")) takeUploads($, () => refresh("files"));
  $("files").closest("section").hidden = !may.includes(NEEDS.files);
  for (const column of COLUMNS) {
    const header = document.createElement("th");
    const button = document.createElement("button");
    header.scope = "col";
    header.dataset.key = column.key;
    header.className = `${column.text ? "text" : "number"} ${column.key}`;
    button.type = "button";
    button.textContent = column.label;
    if (column.hint) button.title = column.hint;
    // Names go up first, figures down.
    button.addEventListener("click", () => {
      const [first, second] = column.text ? [column.key, `-${column.key}`] : [`-${column.key}`, column.key];
      sortBy(state.sort === first ? second : first);
    });
    header.append(button);
    $("head").append(header);
    for (const sort of column.text ? [column.key, `-${column.key}`] : [`-${column.key}`, column.key]) {
      const order = column.text ? (sort === column.key ? "A–Z" : "Z–A") : sort === column.key ? "lowest" : "highest";
      $("sort").append(new Option(`${column.label}, ${order}`, sort));
    }
  }
  $("sort").addEventListener("change", (event) => sortBy(event.target.value));
  $("previous").addEventListener("click", () => go(state.overview?.previous_day ?? null));
  $("next").addEventListener("click", () => go(state.overview?.next_day ?? null));
  $("latest").addEventListener("click", () => go(null));
  $("creator").addEventListener("change", (event) => {
    state.creator = event.target.value;
    remember();
    refresh("figures", "reconciliation");
  });
  refresh(...Object.keys(LOADS));
  follow();
  // What changes without a commit: the state of files, the dataflow's health, and which day today is.
  const visible = (parts) => () => document.visibilityState === "visible" && refresh(...parts);
  setInterval(visible(["ready", "files"]), 5000);
  setInterval(visible(["figures"]), 60000);
  document.addEventListener("visibilitychange", visible(["ready", "files", "figures"]));
}

void begin();
