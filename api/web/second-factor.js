// The own second factor: setting an authenticator up, new recovery codes, removing it.

import { send } from "./account.js";

const $ = (id) => document.getElementById(id);

const WHAT = {
  none: "At sign-in, your authenticator is asked for a code beside the password.",
  needed: "Your account must have a second factor. Set up an authenticator to go on.",
  set: "At sign-in, your authenticator is asked for a code beside the password. Here you renew the recovery codes, or remove it.",
};

function say(text) {
  $("factor-notice").textContent = text;
  $("factor-notice").hidden = !text;
}

function step(shown) {
  for (const id of ["factor-form", "factor-confirm", "factor-codes"]) $(id).hidden = id !== shown;
}

/** Shows where the account stands, `none`, `needed` or `set`, and what can be done. */
export function manage(standing) {
  const isSet = standing === "set";
  $("factor-what").textContent = WHAT[standing];
  $("factor-set-up").hidden = isSet;
  for (const id of ["factor-renew", "factor-remove", "factor-code-label"]) $(id).hidden = !isSet;
  $("factor-code").required = isSet;
  $("factor-user").value = $("account-name").textContent;
  // Whoever must have one and will not set it up can do nothing else here.
  $("factor-close").textContent = standing === "needed" ? "Sign out" : "Close";
  say("");
  step("factor-form");
  $("factor").showModal();
}

function showCodes(answer) {
  $("factor-close").textContent = "Close";
  $("factor-list").textContent = answer.recovery_codes.join("\n");
  $("factor-what").textContent = "Your second factor is set.";
  step("factor-codes");
}

function showSecret(answer) {
  $("factor-secret").textContent = answer.secret;
  const image = new DOMParser().parseFromString(answer.qr, "image/svg+xml").documentElement;
  $("factor-qr").replaceChildren(document.importNode(image, true));
  step("factor-confirm");
  $("factor-first").focus();
}

async function attempt(what) {
  say("");
  try {
    await what();
  } catch (error) {
    say(error.message);
  }
}

$("factor-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = event.submitter?.value ?? "set-up";
  const password = $("factor-password").value;
  const proof = { password, code: $("factor-code").value };
  attempt(async () => {
    if (asked === "renew") return showCodes(await send("second-factor/recovery-codes", proof));
    if (asked === "set-up") return showSecret(await send("second-factor", { password }));
    await send("second-factor/remove", proof);
    location.reload();
  });
});

$("factor-confirm").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => showCodes(await send("second-factor/confirm", { code: $("factor-first").value })));
});

$("factor-close").addEventListener("click", () => {
  if ($("factor-close").textContent === "Close") location.reload();
  else $("sign-out").click();
});
$("factor").addEventListener("cancel", (event) => {
  event.preventDefault();
  location.reload();
});
