'use strict';

// For HEALTHCHECK: exit code 0 when the application reports that it is healthy.
const port = process.env.PORT || 3001;

fetch(`http://127.0.0.1:${port}/api/health`, { signal: AbortSignal.timeout(4000) })
  .then((response) => {
    process.exitCode = response.ok ? 0 : 1;
    return response.arrayBuffer();
  })
  .catch(() => {
    process.exitCode = 1;
  });
