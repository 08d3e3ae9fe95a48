// Draws what /page.json says: the version, and in a sandbox its dashboards and the curl line.
// Everything in it is text until proven otherwise: it is put into the page as text, and charts pass a filter.

const CHARTS = new Set(["line_chart", "area_chart", "bar_chart", "pie_chart", "scatter", "heatmap", "funnel", "gauge"]);

/** Makes an element: `element("p", { class: "muted" }, "text", child)`. Text is never read as markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, String(value));
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

function show(id) {
  const found = document.getElementById(id);
  found.hidden = false;
  return found;
}

// Charts -------------------------------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "g", "title", "desc", "path", "line", "polyline", "polygon", "rect", "circle", "ellipse",
  "text", "tspan", "defs", "clipPath", "linearGradient", "stop"]);
const ATTRIBUTES = new Set(["class", "d", "x", "y", "x1", "y1", "x2", "y2", "dx", "dy", "cx", "cy", "r", "rx", "ry",
  "width", "height", "points", "transform", "viewBox", "preserveAspectRatio", "text-anchor", "dominant-baseline",
  "font-size", "font-weight", "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity",
  "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "id", "clip-path", "clipPathUnits", "offset",
  "role", "aria-label", "aria-labelledby", "aria-hidden"]);

/** Copies the drawing out of SVG text, and nothing else: no script, no link, no style, no foreign content. */
function drawing(text, title) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (parsed.namespaceURI !== SVG || parsed.localName !== "svg") return null;
  const copied = copy(parsed);
  if (!copied.hasAttribute("viewBox")) {
    const [width, height] = [parseFloat(copied.getAttribute("width")), parseFloat(copied.getAttribute("height"))];
    if (width > 0 && height > 0) copied.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }
  copied.removeAttribute("width");
  copied.removeAttribute("height");
  copied.setAttribute("role", "img");
  if (!copied.hasAttribute("aria-labelledby")) copied.setAttribute("aria-label", title);
  return copied;
}

function copy(node) {
  const made = document.createElementNS(SVG, node.localName);
  for (const { name, value } of node.attributes) {
    const leadsOut = /url\s*\(/i.test(value) && !/^url\(#[\w-]+\)$/.test(value);
    if (ATTRIBUTES.has(name) && !leadsOut) made.setAttribute(name, value);
  }
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) made.append(child.data);
    else if (child.namespaceURI === SVG && DRAWN.has(child.localName)) made.append(copy(child));
  }
  return made;
}

// Widgets ------------------------------------------------------------------------------------------------------------

function widget(described) {
  const kind = described.type === "kpi" ? "kpi" : described.type === "table" ? "table" : "drawn";
  const title = described.title || "Untitled";
  const card = element("article", { class: `widget ${kind}` });
  // A table says its title in its caption.
  if (kind !== "table" || !described.columns) card.append(element("h3", {}, title));
  if (described.error) card.append(element("p", { class: "failed" }, `Not refreshed: ${message(described.error)}`));
  const content =
    kind === "kpi" ? indicator(described, title) : kind === "table" ? table(described, title) : chart(described, title);
  card.append(...content);
  place(card, described.position);
  return card;
}

/** Puts a widget where its dashboard says, on a grid of twelve columns; narrow pages put them below one another. */
function place(card, position) {
  if (!position) return;
  card.classList.add("placed");
  card.style.setProperty("--column", `${position.x + 1} / span ${position.width}`);
  card.style.setProperty("--row", `${position.y + 1} / span ${position.height}`);
}

function message(error) {
  return typeof error === "string" ? error : error.message || error.code || "the query failed";
}

function indicator({ value, target, display, target_display: targetDisplay }, title) {
  if (value == null) return [element("p", { class: "muted" }, "No value yet")];
  const parts = [element("p", { class: "value" }, display ?? String(value))];
  if (typeof target !== "number" || target <= 0) return parts;
  const percent = Math.round((Number(value) / target) * 100);
  const bar = element("progress", { max: target, value: Math.max(0, Math.min(Number(value), target)) });
  bar.setAttribute("aria-label", `${title}: ${percent} % of the target`);
  parts.push(
    bar,
    element("p", { class: "toward" },
      element("span", {}, `${percent} % of the target`),
      element("span", {}, targetDisplay ?? String(target))),
  );
  return parts;
}

function chart({ type, svg }, title) {
  const drawn = svg ? drawing(svg, title) : null;
  if (drawn) return [element("div", { class: "chart" }, drawn)];
  return [element("p", { class: "muted" }, CHARTS.has(type) ? "Not drawn yet" : "This kind is not drawn here")];
}

function table({ columns, rows }, title) {
  if (!columns) return [element("p", { class: "muted" }, "No rows yet")];
  const names = columns.map((column) => (typeof column === "string" ? column : column.title ?? column.name));
  const numeric = names.map((_, at) => (rows ?? []).some((row) => typeof row[at] === "number"));
  const side = (at) => ({ class: numeric[at] ? "number" : null });
  const head = element("tr", {}, ...names.map((name, at) => element("th", { scope: "col", ...side(at) }, name)));
  const body = (rows ?? []).map((row) => element("tr", {}, ...row.map((cell, at) => element("td", side(at), words(cell)))));
  return [
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
      element("table", {},
        element("caption", {}, title),
        element("thead", {}, head),
        element("tbody", {}, ...body))),
  ];
}

function words(cell) {
  if (cell == null) return "–";
  if (typeof cell === "number") return cell.toLocaleString("en-US", { maximumFractionDigits: 6 });
  return String(cell);
}

// Dashboards ---------------------------------------------------------------------------------------------------------

function panel(dashboard, at) {
  const refreshed = dashboard.refreshed_at
    ? element("p", { class: "muted" }, "Refreshed ", element("time", { datetime: dashboard.refreshed_at }, when(dashboard.refreshed_at)))
    : element("p", { class: "muted" }, "Not refreshed yet");
  const widgets = (dashboard.widgets ?? []).map(widget);
  widePairs(widgets);
  return element("div", { class: "panel", id: `panel-${at}` }, refreshed, element("div", { class: "widgets" }, ...widgets));
}

/** Charts stand two by two; one without a neighbour takes the row. */
function widePairs(widgets) {
  let run = [];
  const close = () => {
    if (run.length % 2 === 1) run.at(-1).classList.add("sole");
    run = [];
  };
  for (const card of widgets) {
    if (card.classList.contains("drawn")) run.push(card);
    else close();
  }
  close();
}

function when(stamp) {
  const date = new Date(stamp);
  if (Number.isNaN(date.getTime())) return stamp;
  return date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

function drawDashboards(dashboards) {
  const panels = dashboards.map(panel);
  document.getElementById("panels").append(...panels);
  if (dashboards.length < 2) {
    if (dashboards.length === 1) document.getElementById("dashboards-title").textContent = dashboards[0].name;
    return;
  }
  const tabs = dashboards.map((dashboard, at) =>
    element("button", { type: "button", role: "tab", id: `tab-${at}`, "aria-controls": `panel-${at}` }, dashboard.name));
  panels.forEach((made, at) => {
    made.setAttribute("role", "tabpanel");
    made.setAttribute("aria-labelledby", `tab-${at}`);
  });
  const select = (chosen, focus) => {
    tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(at === chosen));
      tab.tabIndex = at === chosen ? 0 : -1;
      panels[at].hidden = at !== chosen;
    });
    if (focus) tabs[chosen].focus();
  };
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => select(at, false));
    tab.addEventListener("keydown", (event) => {
      const last = tabs.length - 1;
      const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      select(to, true);
    });
  });
  show("tabs").append(...tabs);
  select(0, false);
}

// The page -----------------------------------------------------------------------------------------------------------

function offerCommand(line) {
  const code = document.getElementById("curl");
  code.textContent = line;
  document.getElementById("copy").addEventListener("click", async () => {
    const told = document.getElementById("told");
    try {
      await navigator.clipboard.writeText(line);
      told.textContent = "Copied.";
    } catch {
      // Browsers allow it on secure origins only; the reader's own hand always may.
      getSelection().selectAllChildren(code);
      told.textContent = "Selected: press Ctrl+C or Cmd+C to copy it.";
    }
  });
  show("try");
}

async function load() {
  const response = await fetch("/page.json", { headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const { version, sandbox } = await response.json();
  if (version) document.getElementById("version").textContent = version;
  if (!sandbox) return;
  if (sandbox.curl) offerCommand(sandbox.curl);
  if (!sandbox.dashboards?.length) return;
  if (sandbox.organization) document.getElementById("organization").textContent = sandbox.organization;
  show("dashboards");
  drawDashboards(sandbox.dashboards);
}

load().catch((error) => {
  show("problem").textContent = `This page could not be filled in: ${error.message}. Reload it to try again.`;
});
