// The reference for trying: Swagger UI over one of the three documents.

import { openapi } from "/assets/faces.js";

window.SwaggerUIBundle({
  url: openapi,
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
