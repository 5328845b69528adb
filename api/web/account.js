// Signing in and out. The session is a cookie that no script can read; what changes something carries the token against
// forged requests.

import { manage } from "./second-factor.js";

const $ = (id) => document.getElementById(id);
let csrf = null;

/** Headers of what changes something. */
export const proof = () => (csrf ? { "x-csrf-token": csrf } : {});

/** Sends to `/auth`; of what is refused, the error has the words and the type. */
export async function send(path, body, method = "POST") {
  const headers = { "content-type": "application/json", ...proof() };
  const response = await fetch(`/api/v1/auth/${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  const error = new Error(problem.errors?.map((error) => `${error.parameter} ${error.message}`).join("; ") ?? problem.detail ?? response.statusText);
  error.type = problem.type;
  throw error;
}

function say(text) {
  $("sign-in-notice").textContent = text;
  $("sign-in-notice").hidden = !text;
}

function show(form) {
  $("sign-in").hidden = false;
  $("figures").hidden = true;
  $("controls").hidden = true;
  $("account").hidden = true;
  for (const id of ["sign-in-form", "password-form"]) $(id).hidden = id !== form;
}

/** Who is signed in; null when nobody is, and then the form is shown. */
export async function whoAmI() {
  const secret = new URLSearchParams(location.hash.slice(1)).get("password");
  if (secret) {
    show("password-form");
    return null;
  }
  const response = await fetch("/api/v1/auth/me");
  if (response.status === 401) {
    show("sign-in-form");
    return null;
  }
  const me = await response.json();
  if (!response.ok) throw new Error(me.detail ?? response.statusText);
  csrf = me.csrf_token;
  $("account-name").textContent = me.name;
  $("account").hidden = false;
  $("second-factor").hidden = !me.second_factor;
  if (me.second_factor === "needed") {
    manage(me.second_factor);
    return null;
  }
  $("second-factor").onclick = () => manage(me.second_factor);
  $("figures").hidden = false;
  $("controls").hidden = false;
  return me;
}

/** Shows the form when a session has ended. */
export function signedOut() {
  show("sign-in-form");
  say("Your session has ended. Sign in again.");
}

$("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  say("");
  try {
    const code = $("code").value.trim() || undefined;
    await send("login", { email: $("email").value, password: $("password").value, code, browser: true });
    location.reload();
  } catch (error) {
    if (error.type?.endsWith("second-factor")) {
      const asked = $("code-label").hidden;
      $("code-label").hidden = false;
      $("code").focus();
      if (asked) return;
    }
    say(error.message);
  }
});

$("forgot").addEventListener("click", async () => {
  if (!$("email").reportValidity()) return;
  try {
    say((await send("forgotten", { email: $("email").value })).detail);
  } catch (error) {
    say(error.message);
  }
});

$("password-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  say("");
  try {
    const token = new URLSearchParams(location.hash.slice(1)).get("password");
    await send("reset", { token, password: $("new-password").value });
    history.replaceState(null, "", "/");
    show("sign-in-form");
    say("Your password is set. Sign in with it.");
  } catch (error) {
    say(error.message);
  }
});

$("sign-out").addEventListener("click", async () => {
  await send("logout").catch(() => null);
  location.reload();
});
