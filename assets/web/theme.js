// Light, dark, or as the system has it: one button that goes round. The choice is the only thing kept in the browser.
// Not a module: it runs before the first paint, so that a chosen mode does not flash in the other one.

{
  const KEY = "claribi-theme";
  const NAMES = { system: "◐ System", light: "○ Light", dark: "● Dark" };
  const ORDER = Object.keys(NAMES);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;

  // Where storage is forbidden, the choice lasts as long as the page.
  const stored = () => {
    try {
      const theme = localStorage.getItem(KEY);
      return ORDER.includes(theme) ? theme : "system";
    } catch {
      return "system";
    }
  };
  const store = (theme) => {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // See above.
    }
  };

  let current = stored();

  const apply = () => {
    if (current === "system") delete root.dataset.theme;
    else root.dataset.theme = current;
    // Swagger UI's style sheet looks for this class.
    root.classList.toggle("dark-mode", current === "dark" || (current === "system" && system.matches));
    const button = document.getElementById("theme");
    if (!button) return;
    button.textContent = NAMES[current];
    button.setAttribute("aria-label", `Theme: ${current}`);
  };

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme")?.addEventListener("click", () => {
      current = ORDER[(ORDER.indexOf(current) + 1) % ORDER.length];
      store(current);
      apply();
    });
  });
}
