// Toasts, the live region, copy buttons.

const TOAST_MILLISECONDS = 6000;
const STAYS_MILLISECONDS = 20_000;
const TOASTS_MAX = 4;
const COPIED_MILLISECONDS = 1500;

export function announce(words) {
  const region = document.getElementById("announcer");
  if (region) region.textContent = words;
}

export function toast(words, kind = "info") {
  const region = document.getElementById("toasts");
  if (!region) return;
  const box = document.createElement("div");
  box.className = `toast toast-${kind}`;
  const text = document.createElement("p");
  text.textContent = words;
  box.append(text);
  region.append(box);
  while (region.children.length > TOASTS_MAX) region.firstElementChild.remove();
}

// Whatever arrives in the region, from here or from the server, leaves again.
const region = document.getElementById("toasts");
if (region) {
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) {
        if (node.nodeType === Node.ELEMENT_NODE) {
          // One that offers something stays until it is read, and while it is pointed at.
          const stays = node.matches("[data-stays]") ? STAYS_MILLISECONDS : TOAST_MILLISECONDS;
          const leave = () => (node.matches(":hover, :focus-within") ? setTimeout(leave, 1000) : node.remove());
          setTimeout(leave, stays);
        }
      }
    }
  }).observe(region, { childList: true });
}

document.addEventListener("click", async (event) => {
  if (event.target.closest("[data-dismiss]")) event.target.closest(".toast, .notice")?.remove();
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    const label = button.getAttribute("aria-label");
    button.setAttribute("aria-label", "Copied");
    announce("Copied");
    setTimeout(() => button.setAttribute("aria-label", label), COPIED_MILLISECONDS);
  } catch {
    toast("Copying is not allowed here: select the text instead.", "danger");
  }
});
