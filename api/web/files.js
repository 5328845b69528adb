// The files, with where they stand and what of them could not be read.

import * as show from "./format.js";

const STATES = {
  failed: { label: "Failed", order: 0 },
  publishing: { label: "Reading", order: 1 },
  seen: { label: "Waiting", order: 2 },
  live: { label: "Live", order: 3 },
  gone: { label: "Gone", order: 4 },
};

const KINDS = {
  message: "messages",
  sale: "sales",
  employee_period: "employee report",
  creator_day: "creator report",
  chatter_day: "chatter template",
};

const shown = new Map(); // by file: its element, and what it was made of

/** Shows the files: those that need a look first, those that are gone last. */
export function renderFiles(files, $) {
  const sorted = [...files].sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
  const list = $("files");
  const gone = new Set(shown.keys());
  sorted.forEach((file, place) => {
    const id = file.file ?? file.file_id;
    gone.delete(id);
    const source = JSON.stringify(file);
    let entry = shown.get(id);
    if (!entry || entry.source !== source) {
      const element = fileElement(file);
      const wasOpen = entry?.element.querySelector("details")?.open;
      if (wasOpen && element.querySelector("details")) element.querySelector("details").open = true;
      if (entry) {
        entry.element.replaceWith(element);
        element.classList.add("changed");
      }
      entry = { element, source };
      shown.set(id, entry);
    }
    if (list.children[place] !== entry.element) list.insertBefore(entry.element, list.children[place] ?? null);
  });
  for (const id of gone) {
    shown.get(id).element.remove();
    shown.delete(id);
  }
  const live = files.filter((file) => file.state === "live").length;
  const rejected = files.filter((file) => file.state !== "gone").reduce((sum, file) => sum + rejects(file), 0);
  const parts = [`${show.count(live)} of ${show.many(files.length, "file")} live`];
  if (rejected) parts.push(`${show.many(rejected, "row")} rejected`);
  $("files-count").textContent = files.length ? parts.join(" · ") : "";
  list.hidden = !files.length;
  $("files-empty").hidden = Boolean(files.length);
  $("files-empty").replaceChildren(make("h3", "", "No files yet"), make("p", "", "The connectors have not seen any workbook so far."));
}

const order = (file) => STATES[file.state]?.order ?? 9;

/** Rows that could not be read: of the live sheets, else of the version that was read last. */
function rejects(file) {
  return file.sheets.length ? file.sheets.reduce((sum, sheet) => sum + sheet.rejected_count, 0) : file.rejected_count ?? 0;
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function fileElement(file) {
  const element = make("li", `file is-${file.state}`);
  element.append(make("span", `badge is-${file.state}`, STATES[file.state]?.label ?? file.state));
  const body = make("div", "file-body");
  const name = make("p", "file-name", shownName(file));
  name.title = file.file ?? file.name;
  body.append(name, make("p", "file-line", describe(file)));
  if (file.error) body.append(make("p", "file-error", file.error));
  const rejected = rejects(file);
  if (rejected && file.state !== "gone") body.append(rejectList(file));
  element.append(body);

  const figures = make("div", "file-figures");
  const duplicates = file.duplicates ?? 0;
  if (rejected && file.state !== "gone") figures.append(chip(`${show.count(rejected)} rejected`, "warn"));
  if (file.state === "live" && !file.sheets.some((sheet) => sheet.recognised)) figures.append(chip("not recognised", "warn"));
  if (duplicates) figures.append(chip(show.many(duplicates, "duplicate"), ""));
  if (file.updated_at) {
    const time = make("time", "file-time", show.ago(file.updated_at));
    time.dateTime = file.updated_at;
    time.title = new Date(file.updated_at).toLocaleString("en-US");
    figures.append(time);
  }
  element.append(figures);
  return element;
}

/** A name without the folder that keeps each upload apart from others of its name. */
function shownName(file) {
  if (!file.file?.startsWith("uploads:")) return file.name;
  const parts = file.name.split("/");
  return parts.toSpliced(-2, 1).join("/");
}

function chip(text, className) {
  return make("span", `chip ${className}`.trim(), text);
}

function describe(file) {
  const recognised = file.sheets.filter((sheet) => sheet.recognised);
  if (recognised.length) {
    const kinds = [...new Set(recognised.map((sheet) => KINDS[sheet.kind] ?? sheet.kind))].join(", ");
    const sum = (name) => recognised.reduce((total, sheet) => total + sheet[name], 0);
    return `${kinds} · ${show.count(sum("accepted"))} of ${show.many(sum("rows_read"), "row")}`;
  }
  if (file.state === "gone") return "taken away; its rows count no more";
  if (file.state === "live") return "no sheet has headers that are known";
  if (file.state === "failed") return file.attempts > 1 ? `tried ${file.attempts} times` : "could not be read";
  return file.state === "seen" ? "waits to be read" : "being read";
}

/** The first of the rejected rows, folded away. */
function rejectList(file) {
  const details = make("details", "rejects");
  details.append(make("summary", "", "What was rejected"));
  const list = make("ul");
  let listed = 0;
  for (const sheet of file.sheets) {
    for (const reject of sheet.rejected.slice(0, 20)) {
      list.append(make("li", "", `${sheet.sheet ? `${sheet.sheet}, ` : ""}row ${reject.row}: ${reject.reason}`));
      listed += 1;
    }
  }
  const rest = rejects(file) - listed;
  if (rest > 0) list.append(make("li", "", listed ? `and ${show.count(rest)} more` : `${show.many(rest, "row")}`));
  details.append(list);
  return details;
}
