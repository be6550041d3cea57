// Files: a drop zone shows what was chosen and sends its form.

function isOver(zone, over) {
  zone.classList.toggle("is-over", over);
}

for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    const zone = event.target.closest?.("[data-drop-zone]");
    if (zone) isOver(zone, name === "dragenter" || name === "dragover");
  });
}

document.addEventListener("change", (event) => {
  const zone = event.target.closest("[data-drop-zone]");
  const file = event.target.files?.[0];
  if (!zone || !file) return;
  const label = zone.querySelector("[data-file-name]");
  if (label) label.textContent = file.name;
  const limit = Number(event.target.dataset.bytesMax);
  if (limit && file.size > limit) {
    event.target.setCustomValidity("This file is larger than we read.");
    event.target.reportValidity();
    return;
  }
  event.target.setCustomValidity("");
  event.target.form?.requestSubmit();
});

// Controls that send their form when they change, and a way to send it without JavaScript.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form?.requestSubmit();
});
