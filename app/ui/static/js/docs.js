// Starts Swagger UI on /docs; the page may not hold a script of its own.
const place = document.getElementById("swagger-ui");

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.url,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: false,
  // The token lives in this page's memory alone.
  persistAuthorization: false,
  validatorUrl: null,
});
