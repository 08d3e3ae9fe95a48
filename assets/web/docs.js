// The API reference: Swagger UI over one of the three documents. The face is in the address (?face=api), so that a
// link to an operation finds it again.

const DOCUMENTS = { v1: "/v1/openapi.json", "api-v1": "/api/v1/openapi.json", api: "/api/openapi.json" };

const chooser = document.getElementById("face");
const asked = new URLSearchParams(location.search).get("face");
const face = Object.hasOwn(DOCUMENTS, asked ?? "") ? asked : "v1";

chooser.value = face;
document.getElementById("document").href = DOCUMENTS[face];
chooser.addEventListener("change", () => {
  // A new page, not a new document in the old one: credentials typed for one face must not serve another.
  location.assign(`?face=${encodeURIComponent(chooser.value)}`);
});

window.SwaggerUIBundle({
  url: DOCUMENTS[face],
  domNode: document.getElementById("reference"),
  deepLinking: true,
  displayOperationId: false,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  persistAuthorization: false,
  requestSnippetsEnabled: true,
  tryItOutEnabled: true,
  validatorUrl: null, // The validator is a foreign server.
});
