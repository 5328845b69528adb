// How figures are shown. A figure that is not known is a dash, never a zero.

const whole = new Intl.NumberFormat("en-US");
const money = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
const money0 = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 0 });
const percent = new Intl.NumberFormat("en-US", { style: "percent", maximumFractionDigits: 1 });

const DASH = "–";
const known = (show) => (value) => (value === null || value === undefined ? DASH : show(value));

export const count = known((value) => whole.format(value));

export const cents = known((value) => money.format(value / 100));

/** Cents without the cents where they only take room. */
export const dollars = known((value) => (Math.abs(value) >= 1000000 ? money0 : money).format(value / 100));

export const ratio = known((value) => percent.format(value));

/** Seconds as 45s, 2m 05s or 1h 05m. */
export const seconds = known((value) => {
  const all = Math.round(value);
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor((all % 3600) / 60), all % 60];
  const two = (number) => String(number).padStart(2, "0");
  if (hours) return `${hours}h ${two(minutes)}m`;
  return minutes ? `${minutes}m ${two(rest)}s` : `${rest}s`;
});

/** Minutes as 7h 57m. */
export const minutes = known((value) => {
  const [hours, rest] = [Math.floor(value / 60), value % 60];
  return hours ? `${hours}h ${String(rest).padStart(2, "0")}m` : `${rest}m`;
});

/** A day as Tue, Nov 3, 2026. It is a calendar day and belongs to no zone. */
export const day = known((value) =>
  new Intl.DateTimeFormat("en-US", { weekday: "short", month: "short", day: "numeric", year: "numeric", timeZone: "UTC" })
    .format(new Date(`${value}T00:00:00Z`)));

/** A number with its noun: 1 row, 2 rows. */
export const many = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/** How long ago an instant was, roughly. */
export function ago(instant, now = Date.now()) {
  const passed = Math.max(0, (now - new Date(instant).getTime()) / 1000);
  if (passed < 10) return "just now";
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return many(Math.floor(passed / 86400), "day") + " ago";
}

/** How far ahead an instant is, roughly. */
export function ahead(instant, now = Date.now()) {
  const left = (new Date(instant).getTime() - now) / 1000;
  if (left < 10) return "at once";
  if (left < 60) return `in ${Math.floor(left)} s`;
  if (left < 3600) return `in ${Math.floor(left / 60)} min`;
  return `in ${Math.floor(left / 3600)} h`;
}

/** A hue for a name: the same name always has the same. */
export function hue(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 9973;
  return (hash * 47) % 360;
}

/** Up to two initials. */
export function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  return words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("") || "?";
}
