// Which face the reference shows. It is in the address (?face=api), so that a link to an operation finds it again.

const BASES = { v1: "/v1", "api-v1": "/api/v1", api: "/api" };

const chooser = document.getElementById("face");
const asked = new URLSearchParams(location.search).get("face");
const face = Object.hasOwn(BASES, asked ?? "") ? asked : "v1";

/** The address of the chosen face's document. */
export const openapi = `${BASES[face]}/openapi.json`;

chooser.value = face;
document.getElementById("json").href = openapi;
document.getElementById("yaml").href = `${BASES[face]}/openapi.yaml`;
document.getElementById("other").href += `?face=${face}`;
chooser.addEventListener("change", () => {
  // A new page, not a new document in the old one: credentials typed for one face must not serve another.
  location.assign(`?face=${encodeURIComponent(chooser.value)}`);
});
