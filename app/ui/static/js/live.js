// The server's events. Each message is JSON {"name": "...", ...}; it becomes a DOM event
// `live:<name>` on the body, which htmx can name as a trigger: hx-trigger="live:sync from:body".

import { announce, toast } from "./messages.js";

const url = document.querySelector('meta[name="events-url"]')?.content;

function receive(message) {
  let event;
  try {
    event = JSON.parse(message.data);
  } catch {
    return; // a comment or a keep-alive
  }
  document.body.dispatchEvent(new CustomEvent(`live:${event.name}`, { detail: event, bubbles: true }));
  if (event.id) {
    document.body.dispatchEvent(new CustomEvent(`live:${event.name}:${event.id}`, { detail: event }));
  }
  if (event.toast) toast(event.toast, event.kind);
  if (event.announce) announce(event.announce);
}

// While events do not arrive, the page asks for itself now and then.
const POLL_MILLISECONDS = 20_000;
let polling = 0;

function lookAnew() {
  for (const name of ["accounts", "transactions"]) {
    document.body.dispatchEvent(new CustomEvent(`live:${name}`, { detail: {} }));
  }
  for (const element of document.querySelectorAll("[hx-trigger*='live:sync:']")) {
    const trigger = /live:sync:[\w-]+/.exec(element.getAttribute("hx-trigger"));
    if (trigger) document.body.dispatchEvent(new CustomEvent(trigger[0], { detail: {} }));
  }
}

function poll(wanted) {
  clearInterval(polling);
  polling = wanted ? setInterval(lookAnew, POLL_MILLISECONDS) : 0;
}

document.body.addEventListener("live:live-lost", () => poll(true));
document.body.addEventListener("live:live-back", () => {
  poll(false);
  lookAnew();
});

if (url) {
  let source;
  let wasHere = false;
  const connect = () => {
    if (source && source.readyState !== EventSource.CLOSED) return;
    source = new EventSource(wasHere ? `${url}?again=true` : url);
    wasHere = true;
    source.addEventListener("message", receive);
    source.addEventListener("open", () => poll(false));
    // The browser reconnects by itself after a break, but not after an error status.
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) poll(true);
    });
  };
  const leave = () => {
    source?.close();
    poll(false);
  };
  if (document.visibilityState === "visible") connect();
  // Browsers allow six connections to a server: pages that nobody looks at do not hold one.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") connect();
    else leave();
  });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => event.persisted && connect());
}

// The list of transactions: new rows come in by themselves while its top is in view; further
// down a button offers them, because nothing may move under the reader's eyes.

const REFRESH_MILLISECONDS = 1500;
const TOP_PIXELS = 400;
let refreshTimer = 0;
let rowsBefore = null;

function isAtTop() {
  const drawer = document.getElementById("drawer");
  const isChoosing = document.querySelector("[data-pick]:checked") !== null;
  const isTyping = document.activeElement?.matches("input, select");
  return scrollY < TOP_PIXELS && !drawer?.open && !isChoosing && !isTyping;
}

function refreshList() {
  refreshTimer = 0;
  if (!document.querySelector("[data-live-list]")) return;
  if (isAtTop()) {
    rowsBefore = new Set([...document.querySelectorAll("[data-row]")].map((row) => row.id));
    document.body.dispatchEvent(new CustomEvent("refresh-list"));
  } else {
    const button = document.querySelector("[data-show-new]");
    if (button) button.hidden = false;
  }
}

document.body.addEventListener("live:transactions", () => {
  refreshTimer ||= setTimeout(refreshList, REFRESH_MILLISECONDS);
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-show-new]")) return;
  scrollTo({ top: 0 });
  rowsBefore = new Set([...document.querySelectorAll("[data-row]")].map((row) => row.id));
  document.body.dispatchEvent(new CustomEvent("refresh-list"));
});

document.addEventListener("htmx:after:swap", () => {
  if (!rowsBefore) return;
  for (const row of document.querySelectorAll("[data-row]")) {
    if (!rowsBefore.has(row.id)) row.classList.add("is-new");
  }
  rowsBefore = null;
});
