// The rows of employees' reports that differ from what the rows say: a group a row, a line a figure that differs.

import * as show from "./format.js";

const COLUMNS = [
  { label: "Employee", text: true },
  { label: "Creators", text: true },
  { label: "Period", text: true, hint: "As the sheet writes it" },
  { label: "Row", text: true, hint: "File, sheet and row" },
  { label: "Figure", text: true },
  { label: "Reported", hint: "What the sheet says" },
  { label: "Computed", hint: "What messages and sales of the same employee, creators and period come to" },
  { label: "Difference", hint: "Reported minus computed" },
];

const FIGURES = {
  messages_sent: { label: "Messages", show: show.count },
  ppvs_sent: { label: "PPVs sent", show: show.count },
  ppvs_unlocked: { label: "Unlocked", show: show.count },
  fans_chatted: { label: "Fans", show: show.count },
  ppv_sales_cents: { label: "PPV sales", show: show.cents },
  sales_net_cents: { label: "Net sales", show: show.cents },
};

const shown = new Map(); // by row of a sheet: its group, and what it was made of

/** Shows the rows that differ, the first of them when there are many; nothing at all when there are none. */
export function renderReconciliation(rows, more, $) {
  const table = $("differences");
  if (!$("differences-head").children.length) $("differences-head").append(...COLUMNS.map(header));
  const gone = new Set(shown.keys());
  rows.forEach((row, place) => {
    const id = `${row.file_id}/${row.position}/${row.row}`;
    gone.delete(id);
    const source = JSON.stringify(row);
    let entry = shown.get(id);
    if (!entry || entry.source !== source) {
      const group = rowGroup(row);
      if (entry) {
        entry.group.replaceWith(group);
        for (const line of group.children) line.classList.add("changed");
      }
      entry = { group, source };
      shown.set(id, entry);
    }
    if (table.tBodies[place] !== entry.group) table.insertBefore(entry.group, table.tBodies[place] ?? null);
  });
  for (const id of gone) {
    shown.get(id).group.remove();
    shown.delete(id);
  }
  $("reconciliation-count").textContent = more
    ? `the first ${show.many(rows.length, "row")} that differ; all are under /api/v1/reconciliation`
    : `${show.many(rows.length, "row")} ${rows.length === 1 ? "differs" : "differ"}`;
  $("reconciliation").hidden = !rows.length;
}

function header(column) {
  const element = make("th", `${column.text ? "text" : "number"} plain`, column.label);
  element.scope = "col";
  if (column.hint) element.title = column.hint;
  return element;
}

function rowGroup(row) {
  const group = make("tbody");
  const differing = Object.entries(FIGURES).filter(([name]) => row.difference[name]);
  const whose = make("th", "text whose", row.employee ?? "Unattributed");
  whose.scope = "rowgroup";
  const place = [row.file, row.sheet, `row ${row.row}`].filter(Boolean).join(" · ");
  const heads = [whose, make("td", "text", row.creators.join(", ")), make("td", "text", period(row)), make("td", "text place", place)];
  heads.forEach((cell) => (cell.rowSpan = differing.length));
  differing.forEach(([name, figure], line) => {
    const element = make("tr");
    if (line === 0) element.append(...heads);
    const difference = row.difference[name];
    element.append(
      make("td", "text figure-name", figure.label),
      number("Reported", figure.show(row.reported[name])),
      number("Computed", figure.show(row.computed[name])),
      number("Difference", `${difference > 0 ? "+" : ""}${figure.show(difference)}`),
    );
    group.append(element);
  });
  return group;
}

/** From and to as the sheet writes them; of whole days, the days alone. */
function period({ start, end }) {
  const whole = start.endsWith(" 00:00:00") && end.endsWith(" 23:59:59");
  const [first, last] = whole ? [start, end].map((text) => text.slice(0, -" 00:00:00".length)) : [start, end];
  return first === last ? first : `${first} – ${last}`;
}

function number(label, text) {
  const cell = make("td", "number", text);
  cell.dataset.label = label;
  return cell;
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}
