// Starts Swagger UI for the document of the route that this page came from.
(function () {
  "use strict";
  const root = document.getElementById("swagger-ui");
  const page = location.href.split("#")[0];
  const absolute = (reference) => new URL(reference, page).href;

  // `{name+}` of a gateway takes several segments, `{name}` of OpenAPI one: the slashes of its value come back.
  const keepSlashes = (request) => {
    const spec = window.ui && window.ui.specSelectors.specJson().toJS();
    if (request.loadSpec || !spec || !spec.paths) {
      return request;
    }
    for (const [template, item] of Object.entries(spec.paths)) {
      const operation = item[(request.method || "get").toLowerCase()];
      const greedy = (operation && operation["x-greedy-parameters"]) || [];
      if (!greedy.length) {
        continue;
      }
      const pattern = template.split(/(\{[^}]*\})/).map((piece) => {
        if (!piece.startsWith("{")) {
          return "(" + piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + ")";
        }
        return "([^/?#]+)";
      }).join("");
      const match = new RegExp("^([^?#]*?)" + pattern + "([?#].*)?$").exec(request.url);
      if (match) {
        const pieces = template.split(/(\{[^}]*\})/);
        request.url = match[1] + pieces.map((piece, index) => {
          const text = match[index + 2];
          return greedy.includes(piece.slice(1, -1)) ? text.replace(/%2F/gi, "/") : text;
        }).join("") + (match[pieces.length + 2] || "");
        return request;
      }
    }
    return request;
  };

  // The server is written relative to the document; people read it better in full.
  const documentUrl = absolute(root.dataset.document);
  const nameServer = (response) => {
    if (response.url === documentUrl && response.ok && response.text) {
      const shown = JSON.parse(response.text);
      for (const server of shown.servers || []) {
        server.url = new URL(server.url, documentUrl).href.replace(/\/$/, "");
      }
      response.text = JSON.stringify(shown);
    }
    return response;
  };

  window.ui = SwaggerUIBundle({
    url: documentUrl,
    dom_id: "#swagger-ui",
    deepLinking: true,
    layout: "BaseLayout",
    presets: [SwaggerUIBundle.presets.apis],
    validatorUrl: null,
    oauth2RedirectUrl: absolute(root.dataset.redirect),
    requestInterceptor: keepSlashes,
    responseInterceptor: nameServer,
  });
})();
