// The command palette: every link and button with data-command, and a search of transactions.

const COMMANDS_MAX = 30;
const palette = document.getElementById("palette");
const input = palette?.querySelector("input");
const list = document.getElementById("palette-list");
let selected = 0;

function commands() {
  const found = new Map();
  for (const element of document.querySelectorAll("[data-command]")) {
    const label = element.dataset.command;
    if (!found.has(label)) found.set(label, { label, run: () => element.click(), icon: element.querySelector("svg") });
  }
  return [...found.values()];
}

function matches(label, words) {
  const text = label.toLowerCase();
  return words.every((word) => text.includes(word));
}

function choices() {
  const query = input.value.trim();
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = commands().filter((command) => matches(command.label, words)).slice(0, COMMANDS_MAX);
  if (query) {
    found.push({
      label: `Search transactions for “${query}”`,
      icon: document.querySelector("[data-open-palette] svg"),
      run: () => location.assign(`/transactions?search=${encodeURIComponent(query)}`),
    });
  }
  return found;
}

function draw() {
  const found = choices();
  selected = Math.min(selected, Math.max(found.length - 1, 0));
  list.replaceChildren(
    ...found.map((choice, index) => {
      const item = document.createElement("div");
      item.className = "palette-item";
      item.id = `palette-${index}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(index === selected));
      if (choice.icon) item.append(choice.icon.cloneNode(true));
      item.append(choice.label);
      item.addEventListener("click", () => run(choice));
      return item;
    }),
  );
  input.setAttribute("aria-activedescendant", found.length ? `palette-${selected}` : "");
  list.children[selected]?.scrollIntoView({ block: "nearest" });
}

function run(choice) {
  palette.close();
  choice?.run();
}

function open() {
  if (palette.open) return;
  input.value = "";
  selected = 0;
  draw();
  palette.showModal();
  input.focus();
}

if (palette && input && list) {
  if (navigator.platform.startsWith("Mac")) {
    for (const hint of document.querySelectorAll("[data-palette-keys]")) hint.textContent = "⌘K";
  }
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open-palette]")) open();
  });
  input.addEventListener("input", () => {
    selected = 0;
    draw();
  });
  input.addEventListener("keydown", (event) => {
    const last = list.children.length - 1;
    if (event.key === "ArrowDown") selected = Math.min(selected + 1, last);
    else if (event.key === "ArrowUp") selected = Math.max(selected - 1, 0);
    else if (event.key === "Enter") {
      event.preventDefault();
      run(choices()[selected]);
      return;
    } else return;
    event.preventDefault();
    draw();
  });
}
