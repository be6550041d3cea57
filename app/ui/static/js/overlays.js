// The drawer, menus and dialogs.

const drawer = document.getElementById("drawer");

// htmx fills #drawer-content; the drawer opens when something has arrived in it. What was asked for
// in an open drawer does not open it again: whoever closed it meanwhile is done.
document.addEventListener("htmx:config:request", (event) => {
  if (event.detail.ctx) event.detail.ctx.isAskedInDrawer = drawer?.open;
});
document.addEventListener("htmx:after:swap", (event) => {
  const { ctx } = event.detail;
  if (ctx?.target?.id === "drawer-content" && drawer && !drawer.open && !ctx.isAskedInDrawer) {
    drawer.showModal();
    drawer.scrollTop = 0;
  }
});

export function closeDrawer() {
  if (drawer?.open) drawer.close();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close-drawer]") && drawer?.open) {
    event.preventDefault();
    closeDrawer();
  }
  // A click on a modal's backdrop is a click on the dialog itself, outside its box.
  if (event.target instanceof HTMLDialogElement && event.target.open) {
    const box = event.target.getBoundingClientRect();
    const inside =
      event.clientX >= box.left && event.clientX <= box.right &&
      event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) event.target.close();
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  if (event.target.closest("[data-open-shortcuts]")) {
    event.target.closest("details")?.removeAttribute("open");
    document.getElementById("shortcuts")?.showModal();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
});
