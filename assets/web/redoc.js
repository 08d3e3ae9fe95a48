// The reference for reading: ReDoc over one of the three documents, with its samples in three languages.

import { openapi } from "/assets/faces.js";

const FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';
const MONO = 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace';

const options = {
  disableSearch: true, // Its search is a worker made of a script in a string, which the policy refuses.
  expandResponses: "200,201,202",
  jsonSampleExpandLevel: 4,
  nativeScrollbars: true,
  requiredPropsFirst: true,
  scrollYOffset: ".bar",
  theme: {
    colors: { primary: { main: "#0b6a6d" } },
    sidebar: { backgroundColor: "#f6f8f8", width: "18rem" },
    rightPanel: { backgroundColor: "#16211f" },
    typography: {
      fontFamily: FONT,
      headings: { fontFamily: FONT },
      code: { fontFamily: MONO, color: "#0b6a6d" },
    },
  },
};

window.Redoc.init(openapi, options, document.getElementById("reference"));
