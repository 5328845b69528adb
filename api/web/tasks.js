// What the parts do again and again: connectors by source, the dataflow, the archive.

import * as show from "./format.js";

const EVERY_MS = 5000;

const STATES = {
  ok: { label: "Running", badge: "is-live" },
  hydrating: { label: "Catching up", badge: "is-publishing" },
  failing: { label: "Failing", badge: "is-failed" },
  silent: { label: "Silent", badge: "is-failed" },
  stopped: { label: "Stopped", badge: "is-gone" },
};

const WHAT = {
  source: "looks at its folder for spreadsheets",
  dataflow: "keeps the views up to date",
  archive: "keeps the texts of messages",
};

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function taskElement(task) {
  const state = STATES[task.state] ?? { label: task.state, badge: "" };
  const element = make("li", "file");
  element.append(make("span", `badge ${state.badge}`, state.label));
  const body = make("div", "file-body");
  body.append(make("p", "file-name", task.task), make("p", "file-line", line(task)));
  if (task.last_error && task.state !== "ok" && task.state !== "hydrating") body.append(make("p", "file-error", task.last_error));
  element.append(body);
  return element;
}

function line(task) {
  const parts = [WHAT[task.kind] ?? task.kind];
  if (task.last_success_at) parts.push(`last went well ${show.ago(task.last_success_at)}`);
  if (task.last_error_at) parts.push(`last failed ${show.ago(task.last_error_at)}`);
  if (task.state === "silent" && task.heartbeat_at) parts.push(`last heard of ${show.ago(task.heartbeat_at)}`);
  if (task.next_run_at && task.state !== "stopped") parts.push(`next ${show.ahead(task.next_run_at)}`);
  return parts.join(" · ");
}

async function refresh() {
  if (document.hidden) return;
  const panel = document.getElementById("tasks");
  try {
    const answer = await fetch("/api/v1/ops/tasks", { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const { items } = await answer.json();
    document.getElementById("tasks-list").replaceChildren(...items.map(taskElement));
    const wrong = items.filter((task) => task.state === "failing" || task.state === "silent").length;
    document.getElementById("tasks-count").textContent = wrong ? `${show.count(wrong)} of ${show.many(items.length, "task")} not well` : show.many(items.length, "task");
    panel.hidden = items.length === 0;
  } catch {
    // What does not answer, the head of the page says.
    panel.hidden = true;
  }
}

/** Shows the tasks from now on. */
export function watchTasks() {
  refresh();
  setInterval(refresh, EVERY_MS);
}
