// What every htmx request carries and what happens when one fails.

import { announce, toast } from "./messages.js";

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

document.addEventListener("htmx:config:request", (event) => {
  const { request } = event.detail.ctx;
  if (!SAFE_METHODS.has(request.method)) {
    const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
    request.headers["X-CSRF-Token"] = token;
  }
  // A filter that was left empty does not belong in an address that people share.
  if (request.method === "GET" && event.detail.ctx.sourceElement.matches?.("form")) {
    for (const [name, value] of [...request.body]) {
      if (value === "") request.body.delete(name);
    }
  }
});

document.addEventListener("htmx:error", (event) => {
  if (event.detail.error?.name !== "AbortError") {
    toast("We could not reach the server. What you see may be old.", "danger");
  }
});

// A changed region may say in words what changed, for those who do not see it change.
document.addEventListener("htmx:after:swap", (event) => {
  const target = event.detail.ctx?.target;
  // An element that was replaced is no longer in the page: ask the one that took its place.
  const region = target?.id ? document.getElementById(target.id) : target;
  const words = region?.querySelector?.("[data-announce]")?.dataset.announce;
  if (words) announce(words);
});
