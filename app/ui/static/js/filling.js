// A suggestion fills a form in; sending it stays with the person.

import { announce } from "./messages.js";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-fill]");
  const form = button && document.getElementById(button.dataset.fill);
  if (!form) return;
  for (const name of ["counterparty", "category"]) {
    if (button.dataset[name]) form.elements[name].value = button.dataset[name];
  }
  announce("Filled in. Save to keep it.");
  form.querySelector("button.button-primary")?.focus();
});
