// Files that are uploaded: chosen, or dropped onto the list of files.

import { proof } from "./account.js";
import * as show from "./format.js";

/** Takes files from now on; `sent` is called when some have arrived. */
export function takeUploads($, sent) {
  const panel = $("files").closest("section");
  const say = (text, bad) => {
    $("upload-notice").textContent = text;
    $("upload-notice").hidden = !text;
    $("upload-notice").className = `notice ${bad ? "bad" : "good"}`;
  };

  async function upload(files) {
    if (!files.length) return;
    const body = new FormData();
    for (const file of files) body.append("file", file, file.name);
    say(`Uploading ${show.many(files.length, "file")}\u2026`);
    $("upload").disabled = true;
    try {
      const response = await fetch("/api/v1/ingest/uploads", { method: "POST", headers: proof(), body });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.detail ?? response.statusText);
      say(`${show.many(answer.items.length, "file")} uploaded. The list tells when ${answer.items.length === 1 ? "it is" : "they are"} read.`);
      sent();
    } catch (error) {
      say(`Nothing was uploaded: ${error.message}.`, true);
    }
    $("upload").disabled = false;
    $("upload-files").value = "";
  }

  $("upload").hidden = false;
  $("upload").addEventListener("click", () => $("upload-files").click());
  $("upload-files").addEventListener("change", (event) => upload([...event.target.files]));
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  panel.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    panel.classList.add("is-target");
  });
  for (const end of ["dragleave", "drop"]) panel.addEventListener(end, () => panel.classList.remove("is-target"));
  panel.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    upload([...event.dataTransfer.files]);
  });
}
