// Choosing rows of a list: shift takes all between two, a count says how many are chosen.

import { announce } from "./messages.js";

let last = null;

function picks() {
  return [...document.querySelectorAll("[data-pick]")];
}

function tell() {
  const words = document.querySelector("[data-picked]");
  if (!words) return;
  const all = document.querySelector("[data-pick-all]")?.checked;
  const count = picks().filter((pick) => pick.checked).length;
  words.textContent = all ? "All that match" : `${count} chosen`;
}

document.addEventListener("click", (event) => {
  const pick = event.target.closest("[data-pick]");
  if (pick) {
    const all = picks();
    if (event.shiftKey && last?.isConnected) {
      const ends = [all.indexOf(last), all.indexOf(pick)].sort((a, b) => a - b);
      for (const between of all.slice(ends[0], ends[1] + 1)) between.checked = pick.checked;
    }
    last = pick;
  }
  if (event.target.closest("[data-pick-none]")) {
    for (const each of picks()) each.checked = false;
    announce("Nothing is chosen");
  }
  setTimeout(tell); // a form that is reset has its fields back only after the click
});

// x chooses the row that j and k have reached.
document.addEventListener("keydown", (event) => {
  if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, dialog")) return;
  document.querySelector("[data-row].is-current [data-pick]")?.click();
});
