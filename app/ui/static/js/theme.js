// The reader's theme: a cookie, so that the server paints the next page right at once.

const YEAR_SECONDS = 31_536_000;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-choice]");
  if (!button) return;
  const theme = button.dataset.themeChoice;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const age = theme ? YEAR_SECONDS : 0;
  document.cookie = `theme=${theme}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  for (const other of document.querySelectorAll("[data-theme-choice]")) {
    other.setAttribute("aria-pressed", String(other.dataset.themeChoice === theme));
  }
});
