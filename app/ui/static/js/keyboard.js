// Keys: / finds, j and k move, Enter opens, g then a letter goes, ? lists them.

const CHORD_MILLISECONDS = 1200;
let chordStarted = 0;

function isTyping(target) {
  return target.closest?.("input, textarea, select, [contenteditable]") !== null;
}

function rows() {
  return [...document.querySelectorAll("[data-row]")];
}

function move(step) {
  const all = rows();
  if (all.length === 0) return;
  const current = all.findIndex((row) => row.classList.contains("is-current"));
  const next = Math.min(Math.max(current + step, 0), all.length - 1);
  for (const row of all) row.classList.toggle("is-current", row === all[next]);
  const link = all[next].querySelector("a");
  all[next].scrollIntoView({ block: "nearest" });
  if (document.getElementById("drawer")?.open) link?.click();
  else link?.focus({ preventScroll: true });
}

function goTo(key) {
  const link = document.querySelector(`.sidebar a[data-key="${CSS.escape(key)}"]`);
  if (link) location.assign(link.href);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (chordStarted && event.timeStamp - chordStarted < CHORD_MILLISECONDS) {
    chordStarted = 0;
    goTo(event.key.toLowerCase());
    return;
  }
  chordStarted = 0;
  const find = document.querySelector("[data-find]");
  const openDialog = document.querySelector("dialog[open]:not(#drawer)");
  if (openDialog) return;
  if (event.key === "/" && find) {
    event.preventDefault();
    find.focus();
    find.select?.();
  } else if (event.key === "j" || event.key === "k") {
    move(event.key === "j" ? 1 : -1);
  } else if (event.key === "g") {
    chordStarted = event.timeStamp;
  } else if (event.key === "?") {
    document.getElementById("shortcuts")?.showModal();
  }
});

// A click or a focus on a row makes it the one that j and k start from.
document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("[data-row]");
  if (!row) return;
  for (const other of rows()) other.classList.toggle("is-current", other === row);
});
