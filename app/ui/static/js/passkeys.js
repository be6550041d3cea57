// Forms that take a passkey: asks the server what to ask for, the browser for it, then sends it.

import { toast } from "./messages.js";

const WORDS = {
  InvalidStateError: "This device has a passkey for your account already.",
  NotAllowedError: "No passkey was used. Try again when you like.",
  NotSupportedError: "This device cannot make such a passkey. Try another one.",
  SecurityError: "Passkeys work only at the address that this server calls its own.",
};

function decode(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

function encode(buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// Browsers have functions for both directions, but extensions that keep passkeys lack them.
function fromJson(options) {
  const named = (list) => list?.map((each) => ({ ...each, id: decode(each.id) }));
  const read = { ...options, challenge: decode(options.challenge) };
  if (options.user) read.user = { ...options.user, id: decode(options.user.id) };
  if (options.excludeCredentials) read.excludeCredentials = named(options.excludeCredentials);
  if (options.allowCredentials) read.allowCredentials = named(options.allowCredentials);
  return read;
}

function toJson(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = encode(credential.response[name]);
  }
  return { id: credential.id, rawId: encode(credential.rawId), type: credential.type, response };
}

async function ask(form) {
  const begun = await fetch(form.dataset.passkey, {
    method: "POST",
    body: new URLSearchParams(new FormData(form)),
    headers: { Accept: "application/json" },
  });
  // The form itself, without a passkey, shows what is in the way, or leads to it.
  if (begun.redirected || !begun.ok) return;
  const { options, ticket } = await begun.json();
  const publicKey = fromJson(options);
  const credential = publicKey.user
    ? await navigator.credentials.create({ publicKey })
    : await navigator.credentials.get({ publicKey });
  form.elements.ticket.value = ticket;
  form.elements.credential.value = JSON.stringify(toJson(credential));
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches?.("form[data-passkey]")) return;
  event.preventDefault();
  if (form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  try {
    await ask(form);
    form.submit();
  } catch (error) {
    toast(WORDS[error.name] ?? "The passkey could not be used. Reload the page and try again.", "danger");
  } finally {
    form.ariaBusy = "false";
  }
});

if (window.PublicKeyCredential) {
  for (const part of document.querySelectorAll("[data-with-passkeys]")) part.hidden = false;
}
