"use strict";

// Beside this page, wherever a proxy has put it. No stranger is asked whether the document is valid.
SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
