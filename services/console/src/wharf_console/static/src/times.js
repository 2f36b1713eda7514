// Shows <time datetime="…" data-local> in the reader's time zone, and writes the zone into forms.

import { language } from "./words.js";

const STEPS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** Returns "5 minutes ago" in the page's language. */
export function relative(date, now = Date.now()) {
  const seconds = Math.round((date - now) / 1000);
  const [unit, length] = STEPS.find(([, long]) => Math.abs(seconds) >= long) ?? ["second", 1];
  const format = new Intl.RelativeTimeFormat(language(), { numeric: "auto" });
  return format.format(Math.trunc(seconds / length), unit);
}

function absolute(date, kind) {
  const style = kind === "date" ? { dateStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(language(), style).format(date);
}

function show(element) {
  const date = new Date(element.dateTime);
  if (Number.isNaN(date.valueOf())) return;
  const kind = element.dataset.local;
  element.title = absolute(date, "");
  element.textContent = kind === "relative" ? relative(date) : absolute(date, kind);
}

export function times(root) {
  root.querySelectorAll("time[data-local]").forEach(show);
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  for (const input of root.querySelectorAll("input[data-time-zone]")) input.value = timeZone;
}
